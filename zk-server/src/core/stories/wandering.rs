//! Clients that wander between servers with writes on their way, and count their requests from the
//! start again each time: nobody gets another request's answer, nobody waits for ever.

use proptest::prelude::*;

use super::ensemble::{Ensemble, Member};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Create(usize),
    Move(usize, usize),
    Up(usize),
    Down(usize),
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3).prop_map(Step::Create),
        1 => (0usize..3, 0usize..4).prop_map(|(c, node)| Step::Move(c, node)),
        4 => (1usize..4).prop_map(Step::Up),
        6 => (1usize..4).prop_map(Step::Down),
        3 => Just(Step::Commit),
    ]
}

/// A client, and what its present connection has asked for.
struct Wanderer {
    member: Member,
    /// the answer to its connect request has come
    open: bool,
    asked: Vec<String>,
}

impl Wanderer {
    /// Looks at what has come. The paths of all replies are those asked for, in order.
    fn look(&mut self, e: &mut Ensemble) -> Result<(), TestCaseError> {
        let mut frames = e.take(self.member.node, self.member.client.conn);
        if !self.open && !frames.is_empty() {
            let response = frames.remove(0);
            let response = ConnectResponse::from_bytes(&response).unwrap();
            prop_assert_eq!(response.session_id, self.member.client.session);
            self.open = true;
        }
        for frame in frames {
            let path = self.asked.remove(0);
            let body = reply(&frame).ok().unwrap();
            prop_assert_eq!(PathResponse::from_bytes(&body).unwrap().path, path);
        }
        Ok(())
    }

    fn is_closed(&self, e: &Ensemble) -> bool {
        let closed = &e.nodes[self.member.node].closed;
        closed.contains(&self.member.client.conn)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn nobody_gets_an_answer_that_is_not_his(steps in proptest::collection::vec(step(), 1..150)) {
        let mut e = Ensemble::new();
        let mut clients: Vec<Wanderer> = (0..3)
            .map(|node| Wanderer { member: e.client(node), open: true, asked: Vec::new() })
            .collect();
        e.auto = false;
        let mut created = 0;
        for step in steps {
            match step {
                Step::Create(c) => {
                    let client = &mut clients[c];
                    if client.open && !client.is_closed(&e) {
                        created += 1;
                        let path = format!("/{created}");
                        e.ask(&mut client.member, OpCode::Create, &create_body(&path, 1));
                        client.asked.push(path);
                    }
                }
                Step::Move(c, node) => {
                    let client = &mut clients[c];
                    client.look(&mut e)?;
                    let (session, password) =
                        (client.member.client.session, client.member.client.password.clone());
                    let conn = e.connect(node, session, &password, 0);
                    client.member.node = node;
                    (client.member.client.conn, client.member.client.xid) = (conn, 0);
                    client.open = false;
                    client.asked.clear();
                }
                Step::Up(node) => drop(e.step_up(node)),
                Step::Down(node) => drop(e.step_down(node)),
                Step::Commit => drop(e.step_commit()),
            }
            for client in &mut clients {
                client.look(&mut e)?;
            }
        }
        e.pump();
        e.check_equal();
        for client in &mut clients {
            client.look(&mut e)?;
            prop_assert!(client.is_closed(&e) || (client.open && client.asked.is_empty()));
        }
        for node in &e.nodes {
            prop_assert_eq!(node.server.outstanding_requests(), 0);
        }
    }
}
