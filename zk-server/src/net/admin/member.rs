//! Commands of the AdminServer about the ensemble (Java: `LeaderCommand`, `SyncedObserverConsCommand`,
//! `VotingViewCommand`, `ZabStateCommand` of `Commands`).

use serde_json::{Value, json};

use super::commands::{Body, body};
use crate::config::{QuorumServer, Role};
use crate::net::Net;
use crate::net::monitor::{Member, zab_name};

pub(super) fn leader(net: &Net) -> Body {
    let Some(member) = Member::of(net) else {
        return body(json!({ "error": "server is not initialized" }));
    };
    let status = &member.status;
    // As in Java: an observer of a follower names that one.
    let master = net
        .core
        .with_peer(|peer| peer.learner().map(|learner| learner.master()));
    let leader = master.flatten().or(status.leader);
    let server = leader.and_then(|id| status.active.server(id));
    let host = server.and_then(|server| server.addresses.first());
    body(json!({
        "is_leader": member.leading.is_some(),
        "leader_id": leader.unwrap_or(-1),
        "leader_ip": host.map_or("", |(host, ..)| host.as_str()),
    }))
}

pub(super) fn observers(net: &Net) -> Body {
    let learners = match Member::of(net) {
        Some(member) => member
            .leading
            .map_or(member.observers, |leading| leading.learners),
        None => Vec::new(),
    };
    let waiting = |link| match net.core.ensemble() {
        Some(ensemble) => ensemble.quorum.waiting(link),
        None => 0,
    };
    let observers: Vec<Value> = learners
        .iter()
        .filter(|learner| learner.role == Role::Observer && learner.synced)
        .map(|learner| {
            let bytes = waiting(learner.link);
            json!({
                "remote_socket_address": format!("/{}", learner.peer),
                "sid": learner.server.unwrap_or(-1),
                "established": learner.since_ms,
                "queued_packets": usize::from(bytes > 0),
                "queued_packets_size": bytes,
                "packets_received": learner.received,
                "packets_sent": learner.sent,
                "requests": learner.requests,
                "last_zxid": learner.last_zxid,
            })
        })
        .collect();
    body(json!({ "synced_observers": observers.len(), "observers": observers }))
}

pub(super) fn voting_view(net: &Net) -> Body {
    let Some(member) = Member::of(net) else {
        return body(json!({ "current_config": {} }));
    };
    let servers = &member.status.active.config().servers;
    let voters = servers.iter().filter(|s| s.role == Role::Participant);
    let view: Body = voters
        .map(|server| {
            let addresses = |port: fn(&(String, u16, u16)) -> u16| -> Vec<String> {
                let all = server.addresses.iter();
                all.map(|a| shown(&a.0, port(a))).collect()
            };
            let view = json!({
                "server_addresses": addresses(|a| a.1),
                "election_addresses": addresses(|a| a.2),
                "client_address": client(net, server, member.status.id),
                "learner_type": "participant",
            });
            (server.id.to_string(), view)
        })
        .collect();
    body(json!({ "current_config": view }))
}

pub(super) fn zab_state(net: &Net) -> Body {
    // While no server runs Java knows nothing of the member either.
    let serving = net.core.with(|_| ()).is_some();
    let Some(member) = Member::of(net).filter(|_| serving) else {
        return body(json!({ "voting": false, "zabstate": "" }));
    };
    let status = &member.status;
    let zxid = status.last_processed.0;
    let own = status.active.server(status.id);
    let address = |port: fn(&(String, u16, u16)) -> u16| {
        own.map_or(Value::Null, |server| addresses(server, port))
    };
    body(json!({
        "myid": status.id,
        "is_leader": member.leading.is_some(),
        "quorum_address": address(|a| a.1),
        "election_address": address(|a| a.2),
        "client_address": own.map_or(String::new(), |server| client(net, server, status.id)),
        "voting": status.active.is_voter(status.id),
        "last_zxid": format!("0x{zxid:x}"),
        "zab_epoch": zxid >> 32,
        "zab_counter": zxid & 0xffff_ffff,
        "zabstate": zab_name(status.zab),
    }))
}

/// Fields of Java's `MultipleAddresses` that say where a server is.
fn addresses(server: &QuorumServer, port: fn(&(String, u16, u16)) -> u16) -> Value {
    let all = server.addresses.iter();
    let shown: Vec<String> = all.clone().map(|a| shown(&a.0, port(a))).collect();
    let ports: Vec<u16> = all.clone().map(port).collect();
    let hosts: Vec<&str> = all.map(|a| a.0.as_str()).collect();
    // They are this server's own: a packet to them always arrives.
    let first = shown.first();
    json!({
        "empty": shown.is_empty(),
        "all_addresses": &shown,
        "wildcard_addresses": ports.iter().map(|port| format!("0.0.0.0:{port}")).collect::<Vec<_>>(),
        "all_ports": ports,
        "all_host_strings": hosts,
        "reachable_address": first,
        "all_reachable_addresses": &shown,
        "all_reachable_addresses_or_all": &shown,
        "reachable_or_one": first,
        "one": first,
    })
}

/// Where clients reach a server, as far as this one knows.
fn client(net: &Net, server: &QuorumServer, me: i64) -> String {
    if let Some((host, port)) = &server.client {
        return shown(host, *port);
    }
    let own = net.config.client.as_ref().filter(|_| server.id == me);
    own.map_or(String::new(), |client| {
        let host = client.host.as_deref().unwrap_or("0.0.0.0");
        shown(host, net.bound.get().unwrap_or(client.port))
    })
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
