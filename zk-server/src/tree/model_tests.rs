//! The tree against a naive one: a map from path to node, with nothing kept that could be
//! computed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::path;
use proto::zk::stat::StatPersisted;
use proto::zk::txn::*;

use super::{Database, EphemeralTypes};
use crate::store::image::{ImageNode, ImageSink, ImageSource};

const TYPES: EphemeralTypes = EphemeralTypes {
    extended: true,
    emulate_353: false,
};

#[derive(Debug, Clone, PartialEq)]
struct Naive {
    data: Option<Vec<u8>>,
    stat: StatPersisted,
    acl: Vec<u8>,
}

/// Path to node; the root's path is empty.
type Model = BTreeMap<String, Naive>;

#[derive(Debug, Clone)]
enum Op {
    Create(usize, u8, bool),
    Delete(usize),
    Set(usize, u8),
    SetAcl(usize),
    Close,
}

const NAMES: [&str; 14] = [
    "/a",
    "/b",
    "/a/x",
    "/a/y",
    "/a/x/1",
    "/a/x/2",
    "/b/x",
    "/b/x/1",
    "/c",
    "/c/deep",
    "/c/deep/er",
    "/c/deep/er/still",
    "/zookeeper/q",
    "/d",
];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let path = 0..NAMES.len();
    let op = prop_oneof![
        4 => (path.clone(), any::<u8>(), any::<bool>()).prop_map(|(p, d, e)| Op::Create(p, d, e)),
        2 => path.clone().prop_map(Op::Delete),
        2 => (path.clone(), any::<u8>()).prop_map(|(p, d)| Op::Set(p, d)),
        1 => path.prop_map(Op::SetAcl),
        1 => Just(Op::Close),
    ];
    proptest::collection::vec(op, 1..80)
}

fn data(d: u8) -> Option<Vec<u8>> {
    (d > 20).then(|| vec![d; usize::from(d % 40)])
}

fn jute_acl(acls: &[Acl<'_>]) -> Vec<u8> {
    super::acls::list_bytes(acls)
}

/// The session of every second transaction.
fn session(zxid: i64) -> i64 {
    7 + zxid % 2
}

/// Does the operation to the model; tells the transaction, which may be one that fails.
///
/// Without the list of paths in `closeSession`, as 3.4 logs it, a replay over a later state may
/// differ in Java too: a node may have got another owner since (ZOOKEEPER-3145).
fn step(model: &mut Model, op: &Op, zxid: i64, list_closed: bool) -> Vec<u8> {
    let (txn_op, body) = match op {
        // Refused by prep: it is logged as an error.
        Op::Delete(p) | Op::Set(p, _) | Op::SetAcl(p) if !model.contains_key(NAMES[*p]) => {
            (OpCode::Error, ErrorTxn { err: -101 }.to_vec())
        }
        Op::Create(p, d, ephemeral) => create(model, NAMES[*p], data(*d), *ephemeral, zxid),
        Op::Delete(p) => {
            let path = NAMES[*p];
            let prefix = format!("{path}/");
            if !model.keys().any(|k| k.starts_with(&prefix)) {
                delete(model, path, zxid);
                (OpCode::Delete, DeleteTxn { path }.to_vec())
            } else {
                (OpCode::Error, ErrorTxn { err: -111 }.to_vec())
            }
        }
        Op::Set(p, d) => {
            let path = NAMES[*p];
            let data = data(*d);
            if let Some(node) = model.get_mut(path) {
                node.data = data.clone();
                node.stat.version = 5;
                node.stat.mzxid = zxid;
                node.stat.mtime = zxid * 10;
            }
            let txn = SetDataTxn {
                path,
                data: data.as_deref(),
                version: 5,
            };
            (OpCode::SetData, txn.to_vec())
        }
        Op::SetAcl(p) => {
            let path = NAMES[*p];
            if let Some(node) = model.get_mut(path) {
                node.stat.aversion = 3;
                node.acl = jute_acl(&[Acl::READ]);
            }
            let txn = SetAclTxn {
                path,
                acl: vec![Acl::READ],
                version: 3,
            };
            (OpCode::SetAcl, txn.to_vec())
        }
        Op::Close => {
            let mine: Vec<String> = model
                .iter()
                .filter(|(_, n)| n.stat.ephemeral_owner == session(zxid))
                .map(|(p, _)| p.clone())
                .collect();
            for path in &mine {
                delete(model, path, zxid);
            }
            let paths_to_delete = mine.iter().map(String::as_str).collect();
            let txn = CloseSessionTxn { paths_to_delete }.to_vec();
            (
                OpCode::CloseSession,
                if list_closed { txn } else { Vec::new() },
            )
        }
    };
    let header = TxnHeader {
        client_id: session(zxid),
        cxid: 0,
        zxid,
        time: zxid * 10,
        op: txn_op.code(),
    };
    let mut record = header.to_vec();
    record.extend_from_slice(&body);
    record
}

fn create(
    model: &mut Model,
    path: &str,
    data: Option<Vec<u8>>,
    ephemeral: bool,
    zxid: i64,
) -> (OpCode, Vec<u8>) {
    let parent = path::parent(path).trim_end_matches('/').to_owned();
    let ephemeral_parent = model
        .get(&parent)
        .is_none_or(|n| n.stat.ephemeral_owner != 0);
    if ephemeral_parent || model.contains_key(path) {
        return (OpCode::Error, ErrorTxn { err: -110 }.to_vec());
    }
    let above = model.get_mut(&parent).unwrap();
    above.stat.cversion += 1;
    above.stat.pzxid = zxid;
    let txn = CreateTxn {
        path,
        data: data.as_deref(),
        acl: vec![Acl::OPEN],
        ephemeral,
        parent_cversion: above.stat.cversion,
    }
    .to_vec();
    let stat = StatPersisted {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: zxid * 10,
        mtime: zxid * 10,
        ephemeral_owner: if ephemeral { session(zxid) } else { 0 },
        ..StatPersisted::default()
    };
    let acl = jute_acl(&[Acl::OPEN]);
    model.insert(path.to_owned(), Naive { data, stat, acl });
    (OpCode::Create, txn)
}

fn delete(model: &mut Model, path: &str, zxid: i64) {
    let parent = path::parent(path).trim_end_matches('/');
    if let Some(parent) = model.get_mut(parent) {
        parent.stat.pzxid = parent.stat.pzxid.max(zxid);
    }
    model.remove(path);
}

fn digest(model: &Model) -> i64 {
    let counted = model.iter().filter(|(path, _)| super::digest::counts(path));
    counted
        .map(|(path, n)| {
            let prefix = super::digest::prefix(path, n.data.as_deref().unwrap_or_default());
            super::digest::finish(prefix, &n.stat) as i64
        })
        .sum()
}

/// What an image shows, as a model.
fn shown(image: &dyn ImageSource) -> Model {
    let mut acls = BTreeMap::from([(-1, jute_acl(&[Acl::OPEN]))]);
    image.acls(&mut |key, list| drop(acls.insert(key, jute_acl(list))));
    let mut model = Model::new();
    image.nodes(&mut |node| {
        let parent = &node.path[..node.path.rfind('/').unwrap_or(0)];
        assert!(
            node.path.is_empty() || model.contains_key(parent),
            "parents come first"
        );
        let naive = Naive {
            data: node.data.map(<[u8]>::to_vec),
            stat: node.stat,
            acl: acls[&node.acl].clone(),
        };
        model.insert(node.path.to_owned(), naive);
    });
    model
}

fn reload(image: &dyn ImageSource) -> Database {
    // A new database gives way to the snapshot.
    let mut db = Database::new(TYPES, true);
    image.sessions(&mut |id, timeout| db.session(id, timeout));
    image.acls(&mut |key, acl| db.acl(key, acl.to_vec()));
    image.nodes(&mut |node| db.node(node).unwrap());
    db.digest(image.digest().unwrap());
    assert!(db.loaded(image.zxid()));
    db
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_tree_is_the_naive_one(ops in ops(), cut in 0usize..80) {
        let mut db = Database::new(TYPES, true);
        let mut model = shown(&*db.image().0);
        let mut log: Vec<Vec<u8>> = Vec::new();
        let mut early = (db.image(), model.clone());
        for (i, op) in ops.iter().enumerate() {
            let record = step(&mut model, op, i as i64 + 1, i % 2 == 0);
            db.apply_logged(&record).unwrap();
            log.push(record);
            prop_assert_eq!(db.tree().digest(), Some(digest(&model)));
            prop_assert_eq!(db.tree().node_count(), model.len() + 1);
            if i == cut {
                early = (db.image(), model.clone());
            }
        }
        // An image taken on the way is as it was; the last one is the model.
        prop_assert_eq!(&shown(&*early.0.0), &early.1);
        let last = db.image();
        prop_assert_eq!(&shown(&*last.0), &model);
        // What was watched over all along is what a fresh load computes.
        let again = reload(&*last.0);
        prop_assert_eq!(again.tree().digest(), db.tree().digest());
        prop_assert_eq!(again.tree().approximate_data_size(), db.tree().approximate_data_size());
        prop_assert_eq!(again.tree().acls().len(), db.tree().acls().len());
        for owner in [7, 8] {
            let sorted = |db: &Database| {
                let mut paths = db.tree().ephemerals_of(owner);
                paths.sort();
                paths
            };
            prop_assert_eq!(sorted(&again), sorted(&db));
        }
        for path in NAMES {
            let stat = |db: &Database| {
                db.tree().find(path).map(|id| db.tree().stat(db.tree().node(id)))
            };
            prop_assert_eq!(stat(&again), stat(&db));
            prop_assert_eq!(stat(&db).is_some(), model.contains_key(path));
        }
    }

    /// A snapshot of Java may hold changes that the log behind it makes again.
    #[test]
    fn replay_over_a_later_state_ends_in_the_same_state(ops in ops(), from in 0usize..80) {
        let mut live = Database::new(TYPES, true);
        let mut model = shown(&*live.image().0);
        let log: Vec<Vec<u8>> = ops
            .iter()
            .enumerate()
            .map(|(i, op)| step(&mut model, op, i as i64 + 1, true))
            .collect();
        for record in &log {
            live.apply_logged(record).unwrap();
        }
        let image = live.image();
        let mut fuzzy = reload(&*Arc::clone(&image.0));
        for record in log.iter().skip(from) {
            fuzzy.apply_logged(record).unwrap();
        }
        let (again, once) = (shown(&*fuzzy.image().0), model);
        prop_assert_eq!(again.keys().collect::<Vec<_>>(), once.keys().collect::<Vec<_>>());
        for (path, node) in &once {
            prop_assert_eq!(again[path].stat.cversion, node.stat.cversion, "{}", path);
            prop_assert_eq!(again[path].stat.pzxid, node.stat.pzxid, "{}", path);
            prop_assert_eq!(&again[path].data, &node.data, "{}", path);
        }
    }
}

#[test]
fn a_child_of_the_root_without_a_name_is_refused() {
    let mut db = Database::for_snapshot(TYPES, true);
    let mut load = |path| {
        db.node(ImageNode {
            path,
            data: None,
            acl: -1,
            stat: StatPersisted::default(),
        })
    };
    load("").unwrap();
    load("/a").unwrap();
    // Its path would be written as "/", which is the end of the nodes.
    load("//").unwrap_err();
}
