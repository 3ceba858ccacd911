//! Watches of every kind, and what becomes of them when clients come back.

use proto::zk::OpCode::*;

use super::{ALICE, EPHEMERAL, GUEST, MAIN, SUPER, WATCHER, each, make, one};
use crate::zk::oracle::step::{Acls, Connect, Request as R, Step};

pub(super) fn watches() -> Vec<Step> {
    let mut steps = vec![one(MAIN, make("/w"))];
    let watch = |paths: &[&str]| {
        let mut all = Vec::new();
        for &path in paths {
            all.push(one(WATCHER, R::read(Exists, path, true)));
            all.push(one(WATCHER, R::read(GetData, path, true)));
            all.push(one(WATCHER, R::read(GetChildren, path, true)));
            all.push(one(GUEST, R::read(GetChildren2, path, true)));
        }
        all
    };
    let change = || {
        vec![
            make("/w/a"),
            R::set("/w/a", Some(b"1"), -1),
            make("/w/a/b"),
            R::set_acl("/w/a", Acls::Open, -1),
            R::set("/w/a/b", Some(b"1"), -1),
            R::multi(
                Multi,
                &[
                    make("/w/a/c"),
                    R::set("/w/a/b", None, -1),
                    R::delete("/w/a/c", -1),
                ],
            ),
            R::delete("/w/a/b", -1),
            R::delete("/w/a", -1),
        ]
    };
    for _ in 0..2 {
        steps.extend(watch(&["/w", "/w/a", "/w/a/b"]));
        for request in change() {
            steps.push(one(MAIN, request));
            steps.extend(watch(&["/w/a"]));
        }
    }
    for (slot, mode) in [(WATCHER, 0), (GUEST, 1), (ALICE, 0), (ALICE, 1), (MAIN, 1)] {
        steps.push(one(slot, R::add_watch("/w", mode)));
        steps.push(one(slot, R::add_watch("/w/a/b", mode)));
    }
    steps.push(one(MAIN, R::add_watch("/w", 2)));
    steps.push(one(MAIN, R::add_watch("/nowhere/at/all", 0)));
    steps.push(one(MAIN, R::add_watch("bad path/", 1)));
    steps.extend(each(MAIN, change()));
    steps.extend(each(SUPER, change()));
    for kind in [1, 2, 3, 4, 5, 6, 0, -1] {
        for op in [CheckWatches, RemoveWatches, CheckWatches, RemoveWatches] {
            for (slot, path) in [
                (WATCHER, "/w"),
                (GUEST, "/w/a/b"),
                (MAIN, "/w"),
                (ALICE, "/w"),
            ] {
                steps.push(one(slot, R::watches(op, path, kind)));
            }
        }
        steps.extend(watch(&["/w", "/w/a/b"]));
    }
    for slot in [WATCHER, GUEST] {
        steps.extend(each(
            slot,
            vec![
                R::read(GetData, "/w", true),
                R::read(GetChildren, "/w", true),
                R::watches(RemoveWatches, "/w", 2),
                R::watches(CheckWatches, "/w", 1),
                R::watches(RemoveWatches, "/w", 1),
                R::watches(RemoveWatches, "/w", 1),
                R::watches(CheckWatches, "/nowhere", 3),
                R::watches(RemoveWatches, "/nowhere", 3),
            ],
        ));
    }
    steps.extend(each(MAIN, change()));
    steps
}

pub(super) fn reconnects() -> Vec<Step> {
    let resume = |slot| Step::Connect {
        slot,
        how: Connect::Resume { timeout: 40_000 },
    };
    let mut steps: Vec<Step> = each(
        MAIN,
        vec![
            make("/r"),
            make("/r/data"),
            make("/r/gone"),
            make("/r/kids"),
            make("/r/same"),
        ],
    )
    .collect();
    steps.push(one(
        WATCHER,
        R::create(Create, "/r/mine", None, Acls::Open, EPHEMERAL),
    ));
    let lists = || {
        [
            "/r/data", "/r/gone", "/r/kids", "/r/same", "/r/new", "/nowhere",
        ]
        .to_vec()
    };
    for relative in [0, 1, i64::MAX] {
        for five in [false, true] {
            steps.push(Step::Drop { slot: WATCHER });
            steps.extend(each(
                MAIN,
                vec![
                    R::set("/r/data", Some(b"changed"), -1),
                    R::delete("/r/gone", -1),
                    make("/r/kids/one"),
                    make("/r/new"),
                ],
            ));
            steps.push(resume(WATCHER));
            steps.push(one(
                WATCHER,
                if five {
                    R::set_watches2(relative, [lists(), lists(), lists(), lists(), lists()])
                } else {
                    R::set_watches(relative, [lists(), lists(), lists()])
                },
            ));
            steps.extend(each(
                MAIN,
                vec![
                    R::set("/r/data", None, -1),
                    R::set("/r/same", None, -1),
                    make("/r/gone"),
                    R::delete("/r/kids/one", -1),
                    R::delete("/r/new", -1),
                ],
            ));
        }
    }
    steps.push(one(WATCHER, R::path(GetEphemerals, "/")));
    // On another connection while the first still stands.
    steps.push(resume(WATCHER));
    steps.push(resume(GUEST));
    for how in [Connect::Unknown, Connect::Ahead] {
        steps.push(Step::Connect { slot: 5, how });
    }
    // Java would close the session's own connection before it looks at the password.
    steps.push(Step::Drop { slot: GUEST });
    steps.push(Step::Connect {
        slot: GUEST,
        how: Connect::WrongPassword,
    });
    steps.push(resume(GUEST));
    steps.push(one(GUEST, R::read(Exists, "/r", false)));
    for how in [
        Connect::NewOld { timeout: 5000 },
        Connect::NewReadOnly { timeout: 5000 },
    ] {
        steps.push(Step::Connect { slot: 5, how });
        steps.push(one(
            5,
            R::create(Create, "/r/five", None, Acls::Open, EPHEMERAL),
        ));
        steps.push(one(5, R::close_session()));
    }
    steps.push(Step::Connect {
        slot: GUEST,
        how: Connect::New { timeout: 30_000 },
    });
    steps
}
