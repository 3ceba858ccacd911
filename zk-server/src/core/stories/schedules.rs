//! Any order in which messages may arrive: replies in the order of requests, events before what shows
//! their change, the same tree everywhere.

use proptest::prelude::*;

use super::ensemble::Ensemble;
use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// a client writes, reads or syncs one of three znodes
    Set(usize, u8),
    Get(usize, u8),
    Sync(usize),
    Up(usize),
    Down(usize),
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0usize..8;
    let node = 1usize..4;
    prop_oneof![
        3 => (client.clone(), 0..3u8).prop_map(|(c, n)| Step::Set(c, n)),
        2 => (client.clone(), 0..3u8).prop_map(|(c, n)| Step::Get(c, n)),
        1 => client.prop_map(Step::Sync),
        4 => node.clone().prop_map(Step::Up),
        6 => node.prop_map(Step::Down),
        3 => Just(Step::Commit),
    ]
}

const PATHS: [&str; 3] = ["/0", "/1", "/2"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn replies_keep_their_order(steps in proptest::collection::vec(step(), 1..200)) {
        let mut e = Ensemble::new();
        // Two clients a server.
        let mut clients: Vec<_> = (0..8).map(|i| e.client(i / 2)).collect();
        for path in PATHS {
            e.create(&mut clients[0], path, 0).unwrap();
        }
        let mut asked = vec![Vec::new(); clients.len()];
        e.auto = false;
        for step in steps {
            match step {
                Step::Set(c, n) => {
                    let data = Some(&b"d"[..]);
                    let path = PATHS[n as usize];
                    let body = SetDataRequest { path, data, version: -1 }.to_vec();
                    e.ask(&mut clients[c], OpCode::SetData, &body);
                    asked[c].push((clients[c].client.xid, n, true));
                }
                Step::Get(c, n) => {
                    let path = PATHS[n as usize];
                    let body = PathWatchRequest { path, watch: true }.to_vec();
                    e.ask(&mut clients[c], OpCode::Exists, &body);
                    asked[c].push((clients[c].client.xid, n, false));
                }
                Step::Sync(c) => {
                    let body = PathRequest { path: "/" }.to_vec();
                    e.ask(&mut clients[c], OpCode::Sync, &body);
                    asked[c].push((clients[c].client.xid, 9, false));
                }
                Step::Up(node) => drop(e.step_up(node)),
                Step::Down(node) => drop(e.step_down(node)),
                Step::Commit => drop(e.step_commit()),
            }
        }
        e.pump();
        e.check_equal();
        for (client, asked) in clients.iter().zip(&asked) {
            check_replies(&e.replies(client), asked)?;
        }
    }
}

/// What one client got for what it asked.
fn check_replies(replies: &[Reply], asked: &[(i32, u8, bool)]) -> Result<(), TestCaseError> {
    let mut seen = [0i64; 3];
    let mut watched = [false; 3];
    let mut last_zxid = 0;
    let mut answered = asked.iter();
    for reply in replies {
        if reply.xid == -1 {
            let (kind, path) = reply.event();
            let n = PATHS.iter().position(|p| *p == path).unwrap();
            prop_assert!(kind == 3 && std::mem::take(&mut watched[n]));
            continue;
        }
        let &(xid, n, write) = answered.next().expect("asked for");
        prop_assert_eq!(reply.xid, xid);
        prop_assert_eq!(reply.err, 0);
        prop_assert!(reply.zxid >= last_zxid, "time does not run back");
        last_zxid = reply.zxid;
        if n == 9 {
            continue;
        }
        let n = usize::from(n);
        let stat = Stat::from_bytes(&reply.body).unwrap();
        prop_assert!(stat.mzxid >= seen[n], "a client reads its own writes");
        // A change is never shown before its event.
        prop_assert!(!watched[n] || stat.mzxid == seen[n]);
        seen[n] = stat.mzxid;
        watched[n] |= !write;
    }
    prop_assert!(answered.next().is_none(), "all are answered");
    Ok(())
}
