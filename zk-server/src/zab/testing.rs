//! What tests of leader and learner have in common: histories, databases, configurations.

use bytes::Bytes;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::txn::TxnHeader;

use crate::quorum::View;
use crate::tree::{Database, EphemeralTypes};
use crate::units::Now;

pub(super) fn zxid(epoch: i64, counter: i64) -> i64 {
    epoch << 32 | counter
}

/// Milliseconds after the beginning.
pub(super) fn at(ms: u64) -> Now {
    Now {
        mono_us: ms * 1000,
        wall_ms: ms as i64,
    }
}

/// A transaction that changes nothing: a request that failed.
pub(super) fn record(zxid: i64) -> Bytes {
    record_by(zxid, 1)
}

/// Two of the same zxid differ when their authors do.
pub(super) fn record_by(zxid: i64, author: i64) -> Bytes {
    let header = TxnHeader {
        client_id: author,
        cxid: zxid as i32,
        zxid,
        time: 0,
        op: -1,
    };
    let mut out = Vec::new();
    header.write(&mut out);
    (-101i32).write(&mut out);
    out.into()
}

/// A reconfiguration.
pub(crate) fn reconfig(zxid: i64, text: &[u8]) -> Bytes {
    let header = TxnHeader {
        client_id: 1,
        cxid: 1,
        zxid,
        time: 0,
        op: OpCode::Reconfig.code(),
    };
    let mut out = Vec::new();
    header.write(&mut out);
    "/zookeeper/config".write(&mut out);
    Some(text).write(&mut out);
    0i32.write(&mut out);
    out.into()
}

/// A database after this history, of which it keeps the last so many transactions.
pub(super) fn database(history: &[i64], kept: usize) -> Database {
    let records = history.iter().map(|&zxid| (zxid, record(zxid)));
    replay(records, kept)
}

pub(super) fn replay(history: impl IntoIterator<Item = (i64, Bytes)>, kept: usize) -> Database {
    let mut db = Database::new(EphemeralTypes::default(), true);
    db.committed_mut().keep(kept);
    for (zxid, record) in history {
        db.apply_logged(&record).unwrap();
        db.committed_mut().push(zxid, record);
    }
    db
}

/// So many voters, then so many observers.
pub(super) fn view(voters: i64, observers: i64) -> View {
    let line = |id: i64| {
        let role = if id > voters { ":observer" } else { "" };
        format!("server.{id}=host{id}:2888:3888{role}\n")
    };
    let text: String = (1..=voters + observers).map(line).collect();
    View::parse("test", text.as_bytes(), false).unwrap()
}
