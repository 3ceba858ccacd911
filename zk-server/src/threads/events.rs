//! Log lines of what the pure machines tell: the words that operators of Java's servers look for.

use crate::config::Role;
use crate::core::Event;
use crate::peer::PeerEvent;
use crate::peer::events::Replaced;
use crate::units::Now;
use crate::zab;

use super::ensemble::Ensemble;

/// An event of either.
#[derive(Debug)]
pub(super) enum Told {
    Server(Event),
    Peer(PeerEvent),
}

pub(super) fn report(told: Told, ensemble: Option<&Ensemble>, now: Now) {
    match told {
        Told::Server(event) | Told::Peer(PeerEvent::Server(event)) => report_server(&event),
        Told::Peer(PeerEvent::Zab(event)) => {
            if !ensemble.is_some_and(|ensemble| report_stranger(&event, ensemble, now)) {
                report_zab(&event, ensemble);
            }
        }
        Told::Peer(event) => report_peer(&event, ensemble),
    }
}

/// A learner that stands in no configuration: so many can come that each host has a line a minute.
fn report_stranger(event: &zab::Event, ensemble: &Ensemble, now: Now) -> bool {
    let (peer, server, line, why) = match event {
        zab::Event::LearnerConnected { server, peer, role } => {
            let what = match role {
                Role::Participant => "Follower without a vote",
                Role::Observer => "Observer",
            };
            let line = format!("{what}, sid: {server}, has connected from {peer}");
            (peer, Some(*server), line, "it stands in no configuration")
        }
        zab::Event::LearnerClosed {
            server,
            peer,
            reason,
        } => {
            let sid = server.map_or_else(String::new, |id| format!(", sid: {id}"));
            let line = format!("******* GOODBYE {peer}{sid} ********");
            (peer, *server, line, reason.as_str())
        }
        _ => return false,
    };
    if server.is_some_and(|id| ensemble.knows(id)) {
        return false;
    }
    let strangers = &ensemble.strangers;
    strangers.warn(peer.ip(), now.mono_us, &line, why);
    true
}

fn name(ensemble: Option<&Ensemble>, id: i64) -> String {
    match ensemble {
        Some(ensemble) => ensemble.name_of(id),
        None => format!("server {id}"),
    }
}

fn report_peer(event: &PeerEvent, ensemble: Option<&Ensemble>) {
    let ms = |us: &u64| us / 1000;
    let name = |id: i64| name(ensemble, id);
    match event {
        PeerEvent::Server(event) => report_server(event),
        PeerEvent::Zab(event) => report_zab(event, ensemble),
        PeerEvent::Looking => {
            let voters = ensemble.map_or_else(String::new, Ensemble::voters);
            tracing::info!(
                "LOOKING: clients wait until a quorum of the servers {voters} has elected a leader"
            );
        }
        PeerEvent::Leading { took_us } => {
            tracing::info!("LEADING - LEADER ELECTION TOOK - {} MS", ms(took_us));
        }
        PeerEvent::Following { leader, took_us } => tracing::info!(
            "FOLLOWING {} - LEADER ELECTION TOOK - {} MS",
            name(*leader),
            ms(took_us)
        ),
        PeerEvent::Observing { leader, took_us } => tracing::info!(
            "OBSERVING {} - LEADER ELECTION TOOK - {} MS",
            name(*leader),
            ms(took_us)
        ),
        PeerEvent::Serving { epoch } => {
            tracing::info!("Serving clients in epoch 0x{epoch:x}");
        }
        PeerEvent::Abandoned { reason } => {
            tracing::warn!(
                "Shutting down the role in the ensemble, a new election follows: {reason}"
            );
        }
        PeerEvent::Offers { at, taken } => tracing::info!(
            "Giving the snapshot of zxid 0x{:x} that is being restored to the others, as of zxid 0x{:x}",
            taken.0,
            at.0
        ),
        PeerEvent::Restored(replaced) => tracing::warn!(
            "A quorum has the restored snapshot, as of zxid 0x{:x}. {}",
            replaced.at.0,
            dropped(*replaced)
        ),
        PeerEvent::NotRestored { reason } => tracing::warn!("No snapshot is restored: {reason}"),
        PeerEvent::Replaced(replaced) => tracing::warn!(
            "The leader's state is a snapshot that an operator restored, as of zxid 0x{:x}. {}",
            replaced.at.0,
            dropped(*replaced)
        ),
        PeerEvent::RestoreUndone { at, ours } => tracing::warn!(
            "The snapshot that was restored here as of zxid 0x{:x} is not the ensemble's state: no quorum \
             had it when the leader was elected, or another was restored. It is dropped, with what came \
             after it up to 0x{:x}",
            at.0,
            ours.0
        ),
        PeerEvent::Reloading => {
            tracing::warn!("Reading the database back from the files");
        }
    }
}

/// Of this server's history.
fn dropped(replaced: Replaced) -> String {
    let Replaced { taken, ours, .. } = replaced;
    match taken.0 {
        _ if ours.0 <= 0 => "There was nothing before it".to_owned(),
        0 => format!(
            "This server's transactions up to 0x{:x} are dropped but for those that the snapshot, which \
             does not tell its zxid, has",
            ours.0
        ),
        _ if taken >= ours => format!(
            "This server's transactions up to 0x{:x} are replaced by the snapshot's of zxid 0x{:x}",
            ours.0, taken.0
        ),
        _ => format!(
            "This server's transactions after 0x{:x}, when the snapshot was taken, up to 0x{:x} are dropped",
            taken.0, ours.0
        ),
    }
}

fn report_zab(event: &zab::Event, ensemble: Option<&Ensemble>) {
    let name = |id: i64| name(ensemble, id);
    match event {
        zab::Event::LearnerConnected { server, peer, role } => {
            let what = match role {
                Role::Participant => "Follower",
                Role::Observer => "Observer",
            };
            tracing::info!("{what} sid: {server} has connected from {peer}");
        }
        zab::Event::Synchronizing {
            server,
            sync,
            learner_zxid,
            leader_zxid,
            min_committed,
            max_committed,
        } => tracing::info!(
            "Synchronizing with Learner sid: {server} maxCommittedLog=0x{max_committed:x} \
             minCommittedLog=0x{min_committed:x} lastProcessedZxid=0x{leader_zxid:x} \
             peerLastZxid=0x{learner_zxid:x}: sending {sync:?}"
        ),
        zab::Event::LearnerSynced { server } => {
            tracing::info!("Learner sid: {server} is in step and serves");
        }
        zab::Event::LearnerClosed {
            server,
            peer,
            reason,
        } => {
            let who = server.map_or_else(|| peer.to_string(), |id| format!("{peer}, {}", name(id)));
            tracing::warn!("******* GOODBYE {who} ********: {reason}");
        }
        zab::Event::QuorumEstablished { servers, zxid } => {
            let servers: Vec<String> = servers.iter().map(i64::to_string).collect();
            tracing::info!(
                "Have quorum of supporters, sids: [{}]; starting up and setting last processed zxid: \
                 0x{zxid:x}",
                servers.join(",")
            );
        }
        zab::Event::LeaderUnreachable {
            leader,
            dials,
            reason,
        } => tracing::warn!(
            "Unexpected exception, tries={dials}, connecting to {}, {}: {reason}",
            leader.what(),
            name(leader.id())
        ),
        zab::Event::Receiving {
            leader,
            sync,
            zxid,
            ours,
        } => {
            let from = leader.what();
            let what = match sync {
                zab::event::Sync::Diff => format!("Getting a diff from {from}"),
                zab::event::Sync::Trunc => format!("Truncating log to get in sync with {from}"),
                zab::event::Sync::Snap => format!("Getting a snapshot from {from}"),
            };
            tracing::info!("{what}, {}, as of zxid 0x{zxid:x}", name(leader.id()));
            if *sync != zab::event::Sync::Diff && ours > zxid {
                tracing::warn!(
                    "Transactions of this server up to 0x{ours:x} that come after 0x{zxid:x} are dropped: \
                     {from}, {}, does not have them. Those of an election's loser go this way; if \
                     there are many of them, make sure that it is of the same ensemble",
                    name(leader.id())
                );
            }
        }
    }
}

fn report_server(event: &Event) {
    match event {
        Event::SessionExpired { session } => {
            tracing::info!("Expiring session 0x{session:x}, timeout exceeded");
        }
        Event::Quota(quota) => tracing::warn!("Quota exceeded: {quota:?}"),
        Event::ReconfigRefused { why } => tracing::warn!("Reconfig is refused: {why}"),
        Event::Stalled { ms } => tracing::warn!(
            "This server stood still for {ms} ms (a slow disk, a paused machine or a clock that \
             jumped); sessions were given the time back"
        ),
        Event::ClientAhead { conn, seen, ours } => tracing::info!(
            "Refusing connection {} as it has seen zxid 0x{seen:x} our last zxid is 0x{ours:x} \
             client must try another server",
            conn.0
        ),
        Event::Malformed { conn } => {
            tracing::warn!("Closing connection {}: a request could not be read", conn.0);
        }
        Event::UnknownRequest { conn, op } => {
            tracing::warn!("Connection {} sent a request of unknown type {op}", conn.0);
        }
        Event::LargeRequestRefused { conn, bytes } => tracing::warn!(
            "Closing connection {}: its request of {bytes} bytes is over what large requests may \
             take together (largeRequestMaxBytes)",
            conn.0
        ),
        Event::NotAuthenticated { conn } => tracing::error!(
            "Closing connection {}: it has no identity of a scheme that enforce.auth.schemes names",
            conn.0
        ),
        Event::ConnectionThrottled { conn } => tracing::warn!(
            "Closing connection {}: sessions come faster than connection_throttle_tokens allows",
            conn.0
        ),
        Event::StaleRequest { conn } => tracing::warn!(
            "Closing connection {}: its request waited longer than its session's timeout \
             (request_throttle_max_requests)",
            conn.0
        ),
        Event::LongReply { conn, op, bytes } => tracing::warn!(
            "The reply to {op} on connection {} has {bytes} bytes, which is over jute.maxbuffer: only \
             clients with a larger jute.maxbuffer can read it",
            conn.0
        ),
        Event::LimitReached { conn, what } => tracing::warn!(
            "Connection {} has as many {what} as this server keeps; it was refused another one",
            conn.0
        ),
        Event::SessionUpgraded { session } => tracing::info!("Upgrading session 0x{session:x}"),
        Event::SessionMoved { session } => {
            tracing::info!("Session 0x{session:x} has moved to another server");
        }
        Event::DigestMismatch { zxid } => {
            tracing::error!("Digests are not matching. Value is Zxid. (0x{zxid:x})");
        }
        Event::ReadWriteClient { conn } => tracing::info!(
            "Refusing session request for not-read-only client (connection {})",
            conn.0
        ),
        Event::AuthFailed { conn, scheme } => {
            tracing::warn!(
                "Authentication failed for scheme: {scheme} on connection {}",
                conn.0
            );
        }
    }
}
