//! Ensembles that are restored: by their leader, with members of Apache's, killed meanwhile, without a quorum.

use super::*;

/// Members with AdminServers of their own.
fn members(dir: &Path) -> (Ensemble, Vec<Port>) {
    let admins: Vec<Port> = (0..3).map(|_| Port::reserve()).collect();
    let mut ensemble = Ensemble::local(dir, 3, 0);
    for (i, admin) in admins.iter().enumerate() {
        for line in admin_lines(admin) {
            ensemble.own_line(i + 1, &line);
        }
    }
    (ensemble, admins)
}

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    let mut client = None;
    wait_until("a session", || {
        client = ZkClient::connect(ensemble.addr(id), SESSION_MS).ok();
        client.as_ref().is_some_and(|client| client.session != 0)
    });
    client.unwrap()
}

fn restore(admin: &Port, body: &[u8]) -> HttpAnswer {
    http_post(admin.addr(), RESTORE, &[ADMIN], body)
}

/// Which of the two states a member shows, whole: `/state` tells, and `/more` is there in the second only.
fn state_of(ensemble: &Ensemble, id: usize) -> Option<String> {
    let mut client = ZkClient::connect(ensemble.addr(id), SESSION_MS).ok()?;
    let state = data(&mut client, "/state")?;
    let more = data(&mut client, "/more").is_some();
    assert_eq!(more, state == "second", "a mixture on member {id}");
    Some(state)
}

#[track_caller]
fn wait_state(ensemble: &Ensemble, id: usize, expected: &str) {
    wait_until("the member to have the state", || {
        state_of(ensemble, id).as_deref() == Some(expected)
    });
}

/// Makes two states; gives the snapshot of the first one, and of the second.
fn two_states(ensemble: &mut Ensemble, admins: &[Port], leader: usize) -> [HttpAnswer; 2] {
    let mut client = connect(ensemble, leader);
    create(&mut client, "/state", "first");
    let first = http_get(admins[leader - 1].addr(), SNAPSHOT, &[ADMIN]);
    set(&mut client, "/state", "second");
    create(&mut client, "/more", "");
    let follower = ensemble.ids().find(|&id| id != leader).unwrap();
    ensemble.wait_level();
    let second = http_get(admins[follower - 1].addr(), SNAPSHOT, &[ADMIN]);
    assert_eq!((first.status, second.status), (200, 200));
    [first, second]
}

/// With an older state and with one of a longer history; all members have it, also after all were killed.
/// Others than the leader refuse.
#[test]
fn an_ensemble_takes_what_its_leader_restores() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ensemble, admins) = members(dir.path());
    let leader = ensemble.start_all(&[Kind::Ours; 3]);
    let given = two_states(&mut ensemble, &admins, leader);
    for (given, expected, away) in [(&given[0], "first", false), (&given[1], "second", true)] {
        let leader = ensemble.wait_serving();
        let follower = ensemble.ids().find(|&id| id != leader).unwrap();
        let refused = restore(&admins[follower - 1], &given.body);
        assert_eq!(refused.status, 503, "{refused:?}");
        let why = refused.json()["error"].to_string();
        assert!(
            why.contains(&format!("ask server {leader}, the leader")),
            "{why}"
        );
        // What is no snapshot does not cost the leader its role.
        let epoch = ensemble.zxid(leader);
        let junk = restore(&admins[leader - 1], &given.body[..given.body.len() / 2]);
        assert_eq!((junk.status, ensemble.zxid(leader)), (500, epoch));
        // One that is away gets it when it comes back, though it lacks no more than what came later.
        if away {
            ensemble.kill(follower);
        }
        let answer = restore(&admins[leader - 1], &given.body);
        assert_eq!(answer.status, 200, "{answer:?}");
        if away {
            let serving = ensemble.wait_serving();
            create(&mut connect(&ensemble, serving), "/meanwhile", "");
            ensemble.start(follower, Kind::Ours);
            ensemble.wait_serving();
        }
        for id in ensemble.ids() {
            wait_state(&ensemble, id, expected);
            let log = std::fs::read_to_string(ensemble.member_dir(id).join("server.log")).unwrap();
            assert!(
                log.contains("are dropped") || log.contains("are replaced"),
                "{id}"
            );
        }
    }
    let leader = ensemble.wait_serving();
    create(&mut connect(&ensemble, leader), "/later", "");
    ensemble.wait_level();
    for id in ensemble.ids() {
        ensemble.kill(id);
    }
    ensemble.start_all(&[Kind::Ours; 3]);
    let mut dumps = ensemble.ids().map(|id| connect(&ensemble, id).dump());
    let expected = dumps.next().unwrap();
    assert!(expected.contains("/later ") && expected.contains("/more "));
    assert!(dumps.all(|dump| dump == expected));
}

/// The leader is killed at any moment. What it has acknowledged, the others have at once; what they
/// acknowledge while it is away stays when it returns.
#[test]
fn a_leader_that_dies_while_it_restores_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ensemble, admins) = members(dir.path());
    let leader = ensemble.start_all(&[Kind::Ours; 3]);
    let given = two_states(&mut ensemble, &admins, leader);
    let seed = rng::seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut state = "second".to_owned();
    for round in 0..6 {
        let leader = ensemble.wait_serving();
        let (wanted, body) = match state.as_str() {
            "first" => ("second", given[1].body.clone()),
            _ => ("first", given[0].body.clone()),
        };
        let admin: SocketAddr = admins[leader - 1].addr();
        let asking = std::thread::spawn(move || http_post(admin, RESTORE, &[ADMIN], &body).status);
        if round == 0 {
            wait_until("the answer", || asking.is_finished());
        } else {
            std::thread::sleep(Duration::from_millis(rng.below(150) as u64));
        }
        ensemble.kill(leader);
        let status = asking.join().unwrap();
        let next = ensemble.wait_serving();
        let mut client = connect(&ensemble, next);
        let now = data(&mut client, "/state").unwrap();
        assert!(now == state || now == wanted, "{now}");
        if status == 200 {
            assert_eq!(now, wanted, "an acknowledged restore is lost");
        }
        println!("round {round}: status {status}, {state} -> {now}");
        let kept = format!("/kept{round}");
        create(&mut client, &kept, "acknowledged");
        ensemble.start(leader, Kind::Ours);
        ensemble.wait_serving();
        ensemble.wait_level();
        for id in ensemble.ids() {
            wait_state(&ensemble, id, &now);
            let mut client = connect(&ensemble, id);
            assert!(
                data(&mut client, &kept).is_some(),
                "lost on {id} in round {round}"
            );
        }
        state = now;
    }
}

/// Followers of Apache's take the snapshot as any other history of a leader's, and keep it.
#[test]
fn followers_of_apaches_get_what_our_leader_restores() {
    let java = java_or_skip!();
    for version in ["3.6.2", VERSION] {
        let dir = tempfile::tempdir().unwrap();
        let (ensemble, admins) = members(dir.path());
        let mut ensemble = ensemble.java(java);
        let theirs = Kind::Java(version);
        // Ours has the highest id, and leads.
        ensemble.start_all(&[theirs, theirs, Kind::Ours]);
        let leader = lead(&mut ensemble, 3);
        let given = two_states_of(&mut ensemble, &admins, leader);
        let answer = restore(&admins[leader - 1], &given);
        assert_eq!(answer.status, 200, "{answer:?}");
        for id in ensemble.ids() {
            wait_state(&ensemble, id, "first");
        }
        create(&mut connect(&ensemble, 1), "/later", "");
        ensemble.wait_serving();
        ensemble.wait_level();
        // One of theirs leads next, and has it from its files.
        for id in ensemble.ids() {
            ensemble.kill(id);
        }
        ensemble.start_all(&[theirs, theirs, theirs]);
        for id in ensemble.ids() {
            wait_state(&ensemble, id, "first");
            assert!(data(&mut connect(&ensemble, id), "/later").is_some());
        }
    }
}

/// The snapshot of the first of two states, by a server that leads others' followers.
fn two_states_of(ensemble: &mut Ensemble, admins: &[Port], leader: usize) -> Vec<u8> {
    let mut client = connect(ensemble, leader);
    create(&mut client, "/state", "first");
    let first = http_get(admins[leader - 1].addr(), SNAPSHOT, &[ADMIN]);
    assert_eq!(first.status, 200);
    set(&mut client, "/state", "second");
    create(&mut client, "/more", "");
    ensemble.wait_level();
    first.body
}

/// Has that member lead, by taking the leader away until it does.
fn lead(ensemble: &mut Ensemble, wanted: usize) -> usize {
    for _ in 0..5 {
        let leader = ensemble.wait_serving();
        if leader == wanted {
            return leader;
        }
        let kind = ensemble.kind(leader).unwrap();
        ensemble.stop(leader);
        ensemble.wait_serving();
        ensemble.start(leader, kind);
    }
    assert_eq!(ensemble.wait_serving(), wanted, "it leads");
    wanted
}

/// Apache's says so with status 200, which for a restore would be a lie.
#[test]
fn without_a_quorum_nothing_is_given_or_taken() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let (ensemble, admins) = members(dir.path());
    let mut ensemble = ensemble.java(java);
    let mut answers = Vec::new();
    for kind in [Kind::Java(VERSION), Kind::Ours] {
        ensemble.start(1, kind);
        wait_until("the AdminServer", || {
            http_get(admins[0].addr(), "/commands/zabstate", &[]).status == 200
        });
        let snapshot = http_get(admins[0].addr(), SNAPSHOT, &[ADMIN]);
        let restored = restore(&admins[0], b"anything");
        answers.push([
            (snapshot.status, snapshot.json()),
            (restored.status, restored.json()),
        ]);
        ensemble.kill(1);
    }
    assert_eq!(answers[0][0], answers[1][0]);
    let [java, ours] = [&answers[0][1], &answers[1][1]];
    assert_eq!((java.0, ours.0), (200, 503));
    assert_eq!(java.1, ours.1);
}

/// Behind followers, ours and Apache's, both kinds of observer name their master as the leader, and both
/// kinds of master list them and count anew.
#[test]
fn an_observer_names_the_follower_that_serves_it() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let (ensemble, port) = Ensemble::apart(dir.path(), 3, 2);
    let mut ensemble = ensemble
        .java(java)
        .line(&format!("observerMasterPort={port}"));
    let admins: Vec<Port> = ensemble.ids().map(|_| Port::reserve()).collect();
    for (i, admin) in admins.iter().enumerate() {
        for line in admin_lines(admin) {
            ensemble.own_line(i + 1, &line);
        }
    }
    let theirs = Kind::Java(VERSION);
    let leader = ensemble.start_all(&[Kind::Ours, theirs, Kind::Ours, Kind::Ours, theirs]);
    let get = |id: usize, command: &str| {
        let path = format!("/commands/{command}");
        http_get(admins[id - 1].addr(), &path, &[]).json()
    };
    wait_until("the AdminServers", || {
        let mut all = ensemble.ids();
        all.all(|id| std::net::TcpStream::connect(admins[id - 1].addr()).is_ok())
    });
    for observer in [4, 5] {
        let named = get(observer, "leader");
        println!("observer {observer}: {named}");
        assert_eq!(named["is_leader"], false);
        let master = named["leader_id"].as_u64().unwrap() as usize;
        assert!((1..=3).contains(&master) && master != leader, "{named}");
        assert_eq!(named["leader_ip"], ensemble.addr(master).ip().to_string());
        let of = |field: &str| {
            let observers = get(master, "observers");
            let all = observers["observers"].as_array().unwrap();
            let own = all.iter().find(|o| o["sid"] == observer);
            own.unwrap_or_else(|| panic!("{observers}"))[field].clone()
        };
        wait_until("some packets", || of("packets_sent").as_i64() > Some(5));
        get(master, "observer_connection_stat_reset");
        let sent = of("packets_sent");
        assert!(sent.as_i64() < Some(4), "{sent} of {master}");
    }
}
