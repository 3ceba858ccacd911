//! Scripted steps: each operation with each way in which it can end, so that a run covers them
//! whatever the dice say. Slots: 0 nobody in particular, 1 Alice, 2 the watcher, 3 super, 4 comes
//! and goes.

use proto::zk::OpCode::*;

mod bad;
mod edges;
mod nodes;
mod required;
mod rights;
mod watches;

pub use required::REQUIRED;

use super::step::{Acls, Connect, Request as R, Step};

const MAIN: usize = 0;
const ALICE: usize = 1;
const WATCHER: usize = 2;
const SUPER: usize = 3;
const GUEST: usize = 4;
/// How many slots a run needs.
pub const SLOTS: usize = 6;

const PERSISTENT: i32 = 0;
const EPHEMERAL: i32 = 1;
const SEQUENTIAL: i32 = 2;
const EPHEMERAL_SEQUENTIAL: i32 = 3;
const CONTAINER: i32 = 4;
const TTL: i32 = 5;
const TTL_SEQUENTIAL: i32 = 6;

fn one(slot: usize, request: R) -> Step {
    Step::Requests {
        slot,
        burst: vec![request],
    }
}

fn each(slot: usize, requests: Vec<R>) -> impl Iterator<Item = Step> {
    requests.into_iter().map(move |request| one(slot, request))
}

fn make(path: &str) -> R {
    R::create(Create, path, Some(b"x"), Acls::Open, PERSISTENT)
}

/// All scripts in an order that works on fresh servers.
pub fn all() -> Vec<Step> {
    let mut steps = sessions();
    steps.extend(nodes::nodes());
    steps.extend(nodes::refusals());
    steps.extend(rights::acls());
    steps.extend(rights::quotas());
    steps.extend(nodes::multis());
    steps.extend(edges::edges());
    steps.extend(watches::watches());
    steps.extend(watches::reconnects());
    steps.extend(bad::bad_bodies());
    steps.extend(bad::ends());
    steps
}

/// Connects every slot and gives Alice and super their names.
pub fn sessions() -> Vec<Step> {
    let new = |slot, timeout| Step::Connect {
        slot,
        how: Connect::New { timeout },
    };
    let mut steps = vec![
        new(MAIN, 40_000),
        new(ALICE, 60_000),
        new(WATCHER, 30_000),
        new(SUPER, 30_000),
        new(GUEST, 1),
        new(5, i32::MAX),
    ];
    steps.extend(each(
        ALICE,
        vec![R::auth("digest", Some(b"alice:secret")), R::who_am_i()],
    ));
    steps.extend(each(
        SUPER,
        vec![R::auth("digest", Some(b"super:admin")), R::who_am_i()],
    ));
    steps.extend(each(
        MAIN,
        vec![
            R::who_am_i(),
            R::ping(),
            R::auth("ip", Some(b"")),
            R::who_am_i(),
        ],
    ));
    steps
}

/// For servers on a tree in which the numbers below `/seq` are about to overflow.
pub fn overflow() -> Vec<Step> {
    let mut steps = sessions();
    steps.extend(edges::overflow());
    steps
}

/// For servers that look at containers and TTLs often: they are taken away, and watchers told.
pub fn containers() -> Vec<Step> {
    let mut steps = sessions();
    // Its session would expire some time in between.
    steps.push(one(GUEST, R::close_session()));
    steps.extend(each(
        MAIN,
        vec![
            // In one transaction with a child each: without one they might be gone already.
            R::multi(
                Multi,
                &[
                    R::create(CreateContainer, "/c", None, Acls::Open, CONTAINER),
                    make("/c/kid"),
                    R::create_ttl("/parent", None, Acls::Open, TTL, 1),
                    make("/parent/kid"),
                ],
            ),
            R::create_ttl("/t", None, Acls::Open, TTL, 1),
        ],
    ));
    let gone = |path: &str| Step::AwaitGone {
        slot: MAIN,
        path: path.to_owned(),
    };
    steps.push(gone("/t"));
    let sequential = R::create_ttl("/s-", None, Acls::Open, TTL_SEQUENTIAL, 300);
    steps.push(one(MAIN, sequential));
    steps.push(gone("/s-0000000004"));
    // One that never had a child goes when it is old, if that is asked for.
    let unused = R::create(CreateContainer, "/unused", None, Acls::Open, CONTAINER);
    steps.push(one(MAIN, unused));
    steps.push(gone("/unused"));
    steps.push(one(MAIN, R::read(GetChildren2, "/", false)));
    steps.push(one(WATCHER, R::read(GetData, "/parent", true)));
    steps.push(one(MAIN, R::delete("/parent/kid", -1)));
    steps.push(gone("/parent"));
    steps.push(one(WATCHER, R::read(Exists, "/c", true)));
    steps.push(one(WATCHER, R::read(GetChildren, "/", true)));
    steps.push(one(MAIN, R::delete("/c/kid", -1)));
    steps.push(gone("/c"));
    steps.push(one(MAIN, R::read(GetChildren2, "/", false)));
    steps
}

/// For servers with default settings: what they refuse.
pub fn defaults() -> Vec<Step> {
    let mut steps = sessions();
    steps.extend(each(
        MAIN,
        vec![
            R::create_ttl("/t", None, Acls::Open, TTL, 1000),
            R::multi(Multi, &[R::create_ttl("/t", None, Acls::Open, TTL, 1000)]),
            R::create(CreateContainer, "/c", None, Acls::Open, CONTAINER),
            R::reconfig("server.9=127.0.0.1:1:2;3", -1),
        ],
    ));
    steps.extend(each(
        SUPER,
        vec![R::reconfig("server.9=127.0.0.1:1:2;3", 7)],
    ));
    steps.extend(rights::quotas());
    steps
}

#[cfg(test)]
mod tests {
    use proto::zk::OpCode;

    use super::*;

    #[test]
    fn every_client_operation_has_a_script() {
        let scripted: Vec<i32> = all()
            .into_iter()
            .filter_map(|step| match step {
                Step::Requests { burst, .. } => Some(burst),
                _ => None,
            })
            .flatten()
            .map(|request| request.op)
            .collect();
        for op in OpCode::ALL {
            let by_clients = !matches!(op, CreateSession | Error | Sasl);
            assert!(!by_clients || scripted.contains(&op.code()), "{op:?}");
        }
    }
}
