//! Keys about ensembles. A standalone server reads few of them, in Java too.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Int, Long, Text};

const QUORUM: &str = "members_make_an_ensemble";

pub(super) const KEYS: &[Key] = &[
    Key::cfg(
        "server.*",
        Text,
        "",
        "3.0",
        "host:port:port[:role][;[address:]port] of a server of the ensemble",
    )
    .held_by("servers_have_addresses_of_ipv6"),
    Key::cfg("group*", Text, "", "3.2", "servers of a group").held_by("groups_and_weights_decide_who_counts"),
    Key::cfg("weight*", Text, "", "3.2", "weight of a server").held_by("groups_and_weights_decide_who_counts"),
    Key::cfg(
        "dynamicConfigFile",
        Text,
        "",
        "3.5",
        "file with the servers of the ensemble",
    )
    .held_by("members_move_to_other_ports_while_they_run"),
    Key::cfg(
        "standaloneEnabled",
        Bool,
        "true",
        "3.5",
        "false: a single server runs as an ensemble of one",
    )
    .held_by("an_ensemble_of_one_grows"),
    Key::cfg(
        "reconfigEnabled",
        Bool,
        "false",
        "3.5.3",
        "the reconfig request",
    )
    .held_by("members_move_to_other_ports_while_they_run"),
    Key::cfg(
        "version",
        Text,
        "",
        "3.5",
        "version of the dynamic configuration",
    )
    .ensemble(),
    Key::cfg("initLimit", Int, "", "3.0", "ticks for a first sync").held_by("a_leader_waits_for_an_epoch_no_longer_than_configured"),
    Key::cfg("syncLimit", Int, "", "3.0", "ticks between syncs").held_by("a_silent_leader_is_left_after_sync_limit"),
    Key::cfg(
        "connectToLearnerMasterLimit",
        Int,
        "",
        "3.6",
        "ticks for connecting to the leader",
    )
    .held_by("names_are_looked_up_at_every_dial"),
    Key::cfg("electionAlg", Int, "3", "3.0", "election algorithm").refused(
        &["3"],
        "Invalid electionAlg value. Only 3 is supported: take the line out",
    ),
    Key::cfg(
        "peerType",
        Text,
        "participant",
        "3.3",
        "participant or observer",
    )
    .held_by(QUORUM),
    Key::cfg(
        "syncEnabled",
        Bool,
        "true",
        "3.5",
        "observers write log and snapshots",
    )
    .held_by("an_observer_without_sync_keeps_no_log"),
    Key::prop(
        "observer.syncEnabled",
        Bool,
        "true",
        "3.5",
        "observers write log and snapshots",
    )
    .held_by("an_observer_without_sync_keeps_no_log"),
    Key::cfg(
        "observerMasterPort",
        Int,
        "",
        "3.6",
        "port on which followers serve observers",
    )
    .held_by("observers_live_on_followers"),
    Key::cfg(
        "quorumListenOnAllIPs",
        Bool,
        "false",
        "3.4.5",
        "listen for servers on all addresses",
    )
    .held_by("a_server_may_listen_on_all_addresses"),
    Key::cfg(
        "localSessionsEnabled",
        Bool,
        "false",
        "3.5",
        "sessions that only one server knows",
    )
    .held_by("members_decide_for_their_own_clients"),
    Key::cfg(
        "localSessionsUpgradingEnabled",
        Bool,
        "false",
        "3.5",
        "local sessions become global for ephemerals",
    )
    .held_by("local_sessions_stay_until_they_create_an_ephemeral"),
    Key::cfg("sslQuorum", Bool, "false", "3.5.5", "TLS between servers")
        .noted("TLS between servers is not served by this build, and an ensemble refuses it"),
    Key::cfg(
        "portUnification",
        Bool,
        "false",
        "3.5.5",
        "TLS and plain text between servers",
    )
    .noted("TLS between servers is not served by this build, and an ensemble refuses it"),
    Key::cfg(
        "sslQuorumReloadCertFiles",
        Bool,
        "false",
        "3.5.5",
        "read changed certificates again",
    )
    .noted("TLS between servers is not served by this build"),
    Key::cfg(
        "quorum.auth.enableSasl",
        Bool,
        "false",
        "3.4.10",
        "SASL between servers",
    )
    .noted("SASL between servers is not served by this build, and an ensemble refuses it"),
    Key::cfg(
        "quorum.auth.serverRequireSasl",
        Bool,
        "false",
        "3.4.10",
        "servers must come with SASL",
    )
    .noted("SASL between servers is not served by this build"),
    Key::cfg(
        "quorum.auth.learnerRequireSasl",
        Bool,
        "false",
        "3.4.10",
        "learners must use SASL",
    )
    .noted("SASL between servers is not served by this build"),
    Key::cfg(
        "quorum.auth.learner.saslLoginContext",
        Text,
        "QuorumLearner",
        "3.4.10",
        "section of the JAAS file",
    )
    .noted("SASL between servers is not served by this build"),
    Key::cfg(
        "quorum.auth.server.saslLoginContext",
        Text,
        "QuorumServer",
        "3.4.10",
        "section of the JAAS file",
    )
    .noted("SASL between servers is not served by this build"),
    Key::cfg(
        "quorum.auth.kerberos.servicePrincipal",
        Text,
        "zkquorum/localhost",
        "3.4.10",
        "principal of the servers",
    )
    .noted("SASL between servers is not served by this build"),
    Key::cfg(
        "quorum.cnxn.threads.size",
        Int,
        "20",
        "3.4.10",
        "threads for election connections",
    )
    .noted("connections for elections need no threads here"),
    Key::cfg(
        "multiAddress.enabled",
        Bool,
        "false",
        "3.6",
        "several addresses a server",
    )
    .or_property()
    .held_by("a_server_is_reached_at_any_of_its_addresses"),
    Key::cfg(
        "multiAddress.reachabilityCheckEnabled",
        Bool,
        "true",
        "3.6",
        "leave an address of a server that has others when it does not answer",
    )
    .or_property()
    .held_by("a_server_is_reached_at_any_of_its_addresses"),
    Key::cfg(
        "multiAddress.reachabilityCheckTimeoutMs",
        Int,
        "1000",
        "3.6",
        "milliseconds until such an address is left",
    )
    .or_property()
    .held_by("a_server_is_reached_at_any_of_its_addresses"),
    Key::cfg(
        "oraclePath",
        Text,
        "",
        "3.7",
        "file of the oracle of two servers",
    )
    .held_by("an_oracle_decides_which_of_two_goes_on"),
    Key::prop(
        "leaderServes",
        Text,
        "yes",
        "3.0",
        "the leader serves clients",
    )
    .held_by("members_decide_for_their_own_clients"),
    Key::prop(
        "cnxTimeout",
        Int,
        "5000",
        "3.0",
        "timeout of election connections",
    )
    .held_by("connections_of_the_election_port_obey_their_options"),
    Key::prop(
        "electionPortBindRetry",
        Int,
        "3",
        "3.6",
        "tries to bind the election port",
    )
    .held_by("the_election_port_is_tried_as_often_as_configured"),
    Key::prop(
        "tcpKeepAlive",
        Bool,
        "false",
        "3.4.11",
        "keep-alive between servers",
    )
    .held_by("connections_of_the_election_port_obey_their_options"),
    Key::prop(
        "fastleader.minNotificationInterval",
        Int,
        "200",
        "3.6",
        "milliseconds between notifications, at least",
    )
    .held_by("votes_are_repeated_as_often_as_configured"),
    Key::prop(
        "fastleader.maxNotificationInterval",
        Int,
        "60000",
        "3.6",
        "milliseconds between notifications, at most",
    )
    .held_by("votes_are_repeated_as_often_as_configured"),
    Key::prop(
        "leader.maxTimeToWaitForEpoch",
        Int,
        "-1",
        "3.6",
        "milliseconds that a leader waits for an epoch",
    )
    .held_by("a_leader_waits_for_an_epoch_no_longer_than_configured"),
    Key::prop(
        "leader.maxConcurrentSnapSyncs",
        Int,
        "10",
        "3.6",
        "snapshots sent at a time",
    )
    .held_by("learners_are_synchronised_as_configured"),
    Key::prop(
        "leader.maxConcurrentDiffSyncs",
        Int,
        "100",
        "3.6",
        "differences sent at a time",
    )
    .held_by("learners_are_synchronised_as_configured"),
    Key::prop(
        "leader.ackLoggingFrequency",
        Int,
        "1000",
        "3.6",
        "the latency of every so many acknowledgements is measured",
    )
    .held_by("members_show_what_javas_members_show"),
    Key::prop(
        "leader.closeSocketAsync",
        Bool,
        "false",
        "3.7",
        "close sockets in another thread",
    )
    .noted("nothing waits here for a socket to be closed or written"),
    Key::prop(
        "learner.closeSocketAsync",
        Bool,
        "false",
        "3.7",
        "close sockets in another thread",
    )
    .noted("nothing waits here for a socket to be closed or written"),
    Key::prop(
        "learner.asyncSending",
        Bool,
        "false",
        "3.7",
        "send packets in another thread",
    )
    .noted("nothing waits here for a socket to be closed or written"),
    Key::prop(
        "leaderConnectDelayDuringRetryMs",
        Int,
        "100",
        "3.6",
        "milliseconds between tries to connect to the leader",
    )
    .held_by("a_follower_dials_its_leader_as_often_as_configured"),
    Key::prop(
        "observer.reconnectDelayMs",
        Long,
        "0",
        "3.6",
        "milliseconds before an observer connects again",
    )
    .held_by("an_observer_waits_before_it_connects_to_the_leader"),
    Key::prop(
        "observer.election.DelayMs",
        Long,
        "200",
        "3.6",
        "milliseconds before an observer takes part in an election",
    )
    .held_by("an_observer_waits_before_it_looks_again"),
    Key::prop(
        "observerMaster.sizeLimit",
        Int,
        "33554432",
        "3.6",
        "bytes kept for observers",
    )
    .noted(
        "a follower needs nothing for observers beside its last transactions (commitLogCount) and its log",
    ),
    Key::prop(
        "forceSnapshotSync",
        Bool,
        "false",
        "3.6",
        "sync followers by snapshot always",
    )
    .held_by("learners_are_synchronised_as_configured"),
    Key::prop(
        "forward_learner_requests_to_commit_processor_disabled",
        Bool,
        "false",
        "3.7",
        "do not keep learners' requests in the commit processor",
    )
    .noted("requests of learners pass through no queues of processors here"),
    Key::prop(
        "follower.skipLearnerRequestToNextProcessor",
        Bool,
        "false",
        "3.9",
        "followers do not pass on learners' requests",
    )
    .noted("requests of learners pass through no queues of processors here"),
    Key::bare(
        "readonlymode.enabled",
        Bool,
        "false",
        "3.4",
        "serve reads while there is no quorum; isro is answered",
    )
    .held_by("members_without_a_quorum_let_clients_read"),
    Key::bare(
        "leader.nodelay",
        Bool,
        "true",
        "3.0",
        "TCP_NODELAY on the leader's sockets",
    )
    .held_by("links_obey_their_options"),
    Key::bare(
        "follower.nodelay",
        Bool,
        "true",
        "3.0",
        "TCP_NODELAY on followers' sockets",
    )
    .held_by("links_obey_their_options"),
];
