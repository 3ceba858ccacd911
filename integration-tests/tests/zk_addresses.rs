//! Where the servers of an ensemble are, in every form that a configuration may say it: IPv6, names
//! that change, several addresses a server, all addresses of a machine. Ours beside Apache's.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: makes folders"
)]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use integration_tests::proc::{skipped, wait_until};
use integration_tests::zk::{Ensemble, Gone, Kind, ZkClient};
use integration_tests::{java_or_skip, netns};
use proto::jute::Jute;
use proto::zk::request::ReconfigRequest;
use proto::zk::{ErrorCode, OpCode};

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
const TIMEOUT: i32 = 20_000;

/// A write through each running member is read through each, once they have agreed on a leader that
/// stays: a network that was cut or came back may cost them one more election.
#[track_caller]
fn serves(ensemble: &Ensemble, round: &str) {
    wait_until("all members to serve", || {
        writes_are_read(ensemble, round).is_ok()
    });
}

fn writes_are_read(ensemble: &Ensemble, round: &str) -> Result<(), Gone> {
    let connect = |id| ZkClient::connect(ensemble.addr(id), TIMEOUT);
    let clients = ensemble.running().into_iter().map(connect);
    let mut clients = clients.collect::<Result<Vec<ZkClient>, Gone>>()?;
    for writer in 0..clients.len() {
        let path = format!("/{round}{writer}");
        let err = clients[writer].create(&path, 0)?;
        assert!(err == 0 || err == ErrorCode::NodeExists as i32, "{err}");
        for client in &mut clients {
            let read = client.synced(&path)?;
            assert_eq!(read.as_deref(), Some(&b"x"[..]), "{path}");
        }
    }
    Ok(())
}

/// Loopback of IPv6, and a server line of each form: with the role and an address for clients, with the
/// port for clients alone, without either, an observer's.
#[test]
fn servers_have_addresses_of_ipv6() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let host = IpAddr::from(Ipv6Addr::LOCALHOST);
    let mut ensemble = Ensemble::at(dir.path(), host, 3, 1)
        .java(java)
        .java_option("-Djava.net.preferIPv4Stack=false");
    for id in ensemble.ids() {
        for other in ensemble.ids() {
            let [client, quorum, election] = ensemble.ports(other);
            let rest = match other {
                1 => format!(":participant;[::1]:{client}"),
                2 => format!(";{client}"),
                3 => String::new(),
                _ => format!(":observer;[::1]:{client}"),
            };
            let line = format!("server.{other}=[::1]:{quorum}:{election}{rest}");
            ensemble.own_line(id, &line);
        }
        if id != 3 {
            ensemble.own_line(id, "clientPort");
            ensemble.own_line(id, "clientPortAddress");
        }
    }
    let leader = ensemble.start_all(&[OURS, JAVA39, OURS, OURS]);
    assert_eq!(leader, 3);
    assert_eq!(ensemble.mode(4).as_deref(), Some("observer"));
    serves(&ensemble, "first");
    ensemble.kill(3);
    ensemble.wait_serving();
    serves(&ensemble, "second");
    ensemble.kill(1);
    ensemble.start(3, JAVA39);
    assert_eq!(ensemble.wait_serving(), 2);
    serves(&ensemble, "third");
}

/// Members are known by name, and a name may mean another machine at any time. The second member
/// knows the third by a wrong address at first: it dials in vain until the name is corrected, and
/// nobody is started again.
#[test]
fn names_are_looked_up_at_every_dial() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let in_vain = [
        // a leader of ours goes on dialling it
        (
            [JAVA39, OURS, OURS],
            "can't be reached in time: zk3:2888 (10.77.0.9): no answer in 2000 ms",
        ),
        // one of Java's does not
        (
            [OURS, OURS, JAVA36],
            "Cannot open channel to 3 at election address zk3:3888 (10.77.0.9): ",
        ),
    ];
    for (kinds, tried) in in_vain {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::on_hosts(dir.path(), 3, 0)
            .unwrap()
            .java(java)
            .java_option("-Dsun.net.inetaddr.ttl=0")
            .java_option("-Dsun.net.inetaddr.negative.ttl=0")
            .line("connectToLearnerMasterLimit=8")
            .line("server.1=zk1:2888:3888")
            .line("server.2=zk2:2888:3888")
            .line("server.3=zk3:2888:3888");
        let right: String = ensemble
            .ids()
            .map(|id| format!("{} zk{id}\n", ensemble.addr(id).ip()))
            .collect();
        let wrong = right.replace("10.77.0.3 zk3", "10.77.0.9 zk3");
        assert_ne!(wrong, right);
        ensemble.names(1, &right);
        ensemble.names(2, &wrong);
        ensemble.names(3, &right);
        // The third dials them both, so there is a leader, whom the second cannot follow.
        ensemble.start(3, kinds[2]);
        ensemble.start(1, kinds[0]);
        assert_eq!(ensemble.wait_serving(), 3);
        ensemble.start(2, kinds[1]);
        wait_until("the second to say what it has dialled in vain", || {
            ensemble.process(2).log().contains(tried)
        });
        ensemble.names(2, &right);
        assert_eq!(ensemble.wait_serving(), 3);
        serves(&ensemble, "names");
    }
}

/// The first network goes down, then the second one.
#[test]
fn a_server_is_reached_at_any_of_its_addresses() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::on_hosts(dir.path(), 3, 0)
        .unwrap()
        .java(java)
        // Java takes zoo.cfg's line alone for too little.
        .property("zookeeper.multiAddress.enabled", "true")
        .line("multiAddress.reachabilityCheckTimeoutMs=300")
        .line("clientPortAddress=0.0.0.0");
    let net = ensemble.net().unwrap();
    net.join_second().unwrap();
    let addresses: Vec<[IpAddr; 2]> = (1..=3).map(|id| [net.addr(id), net.second(id)]).collect();
    for id in ensemble.ids() {
        for (other, [first, second]) in (1..).zip(&addresses) {
            let line = format!("server.{other}={first}:2888:3888|{second}:2888:3888");
            ensemble.own_line(id, &line);
        }
    }
    // Ours would wait for so long without the check.
    for id in [1, 3] {
        ensemble.own_line(id, "cnxTimeout=3600000");
    }
    ensemble.start_all(&[OURS, JAVA39, OURS]);
    serves(&ensemble, "both");
    for (down, left, round) in [(0, 1, "second"), (1, 0, "first")] {
        for (id, addresses) in (1..).zip(&addresses) {
            let net = ensemble.net().unwrap();
            net.cut_network(id, down, true);
            net.cut_network(id, left, false);
            ensemble.moved(usize::from(id), addresses[left], [2181, 2888, 3888]);
        }
        wait_until("a session through the network that is left", || {
            let client = ZkClient::connect(ensemble.addr(1), TIMEOUT);
            client.is_ok_and(|mut client| client.create("/probe", 0).is_ok())
        });
        ensemble.wait_serving();
        serves(&ensemble, round);
    }
}

/// Members get a second address while they run; then the first network of one after the other goes down.
#[test]
fn an_address_that_a_reconfiguration_brings_is_used() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::on_hosts(dir.path(), 3, 0)
        .unwrap()
        .java(java)
        .property("zookeeper.multiAddress.enabled", "true")
        .property("zookeeper.skipACL", "yes")
        .line("multiAddress.reachabilityCheckTimeoutMs=300")
        .line("clientPortAddress=0.0.0.0")
        .line("reconfigEnabled=true")
        .line("standaloneEnabled=false");
    let net = ensemble.net().unwrap();
    net.join_second().unwrap();
    let addresses: Vec<[IpAddr; 2]> = (1..=3).map(|id| [net.addr(id), net.second(id)]).collect();
    ensemble.start_all(&[OURS, JAVA39, OURS]);
    for (id, [first, second]) in (1..).zip(&addresses) {
        let line =
            format!("server.{id}={first}:2888:3888|{second}:2888:3888:participant;0.0.0.0:2181");
        joins(&ensemble, &line);
        ensemble.wait_serving();
    }
    for (id, [first, second]) in (1..).zip(&addresses) {
        ensemble.net().unwrap().cut_network(id, 0, true);
        ensemble.moved(usize::from(id), *second, [2181, 2888, 3888]);
        wait_until("a session with it through the second network", || {
            let addr = SocketAddr::new(*second, 2181);
            let client = ZkClient::connect(addr, TIMEOUT);
            client.is_ok_and(|mut client| client.create(&format!("/cut{id}"), 0).is_ok())
        });
        ensemble.wait_serving();
        serves(&ensemble, &format!("without{id}"));
        ensemble.net().unwrap().cut_network(id, 0, false);
        ensemble.moved(usize::from(id), *first, [2181, 2888, 3888]);
        ensemble.wait_serving();
    }
}

/// Asks until it is done: a member that has just changed may not be in step yet, and who changes its own
/// address closes its clients' connections.
#[track_caller]
fn joins(ensemble: &Ensemble, line: &str) {
    let request = ReconfigRequest {
        joining_servers: Some(line),
        leaving_servers: None,
        new_members: None,
        cur_config_id: -1,
    };
    let addrs = ensemble.addrs();
    let mut turn = addrs.iter().cycle();
    wait_until("the next configuration", || {
        let addr = turn.next().unwrap();
        let Ok(mut client) = ZkClient::connect(*addr, TIMEOUT) else {
            return false;
        };
        let done = client.call(OpCode::Reconfig, &request.to_vec());
        done.is_ok_and(|(err, _)| {
            let waits = [ErrorCode::NewConfigNoQuorum, ErrorCode::ReconfigInProgress];
            let done = ErrorCode::from_code(err).unwrap();
            assert!(done == ErrorCode::Ok || waits.contains(&done), "{done:?}");
            done == ErrorCode::Ok
        })
    });
}

/// The third one's own line says 0.0.0.0; the second one's name is an address of loopback on its own
/// host (as Debian writes it), and `quorumListenOnAllIPs` helps. Each has to lead, and so be reached.
#[test]
fn a_server_may_listen_on_all_addresses() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::on_hosts(dir.path(), 3, 0)
        .unwrap()
        .java(java)
        .line("server.2=zk2:2888:3888");
    ensemble.own_line(3, "server.3=0.0.0.0:2888:3888");
    ensemble.own_line(2, "quorumListenOnAllIPs=true");
    for id in ensemble.ids() {
        let own = if id == 2 { "127.0.1.1" } else { "10.77.0.2" };
        ensemble.names(id, &format!("{own} zk2\n"));
    }
    assert_eq!(ensemble.start_all(&[JAVA36, OURS, OURS]), 3);
    serves(&ensemble, "first");
    ensemble.wait_level();
    ensemble.kill(3);
    assert_eq!(ensemble.wait_serving(), 2);
    serves(&ensemble, "second");
}
