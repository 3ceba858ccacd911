//! A read shows the committed state that its zxid names.

use proto::jute::Jute;
use proto::zk::error::ErrorCode;
use proto::zk::response::{GetChildrenResponse, GetDataResponse, ReplyHeader, StatResponse};
use proto::zk::stat::Stat;

use super::{COMMITTED_READS, History, Judgement, Pending, SessionView};
use crate::sim::ensemble::facts::Facts;
use crate::sim::ensemble::model::Znode;
use crate::sim::ensemble::operation::Operation;

impl History {
    pub(super) fn read(
        &mut self,
        facts: &Facts,
        view: &mut SessionView,
        pending: &Pending,
        header: &ReplyHeader,
        body: &[u8],
        judged: &mut Vec<Judgement>,
    ) {
        self.reads += 1;
        let (zxid, err) = (header.zxid, header.err);
        if view.read_only && !facts.is_committed(facts.real(zxid)) {
            return;
        }
        let result = match &pending.operation {
            Operation::Data { path, .. } => data(facts, path, zxid, err, body),
            Operation::Exists { path, .. } => exists(facts, path, zxid, err, body),
            Operation::Children { path, .. } => children(facts, path, zxid, err, body),
            _ => Ok(()),
        };
        judged.push((COMMITTED_READS, result));
        self.arm(view, &pending.operation, zxid, err);
    }
}

pub(super) fn stat_is(path: &str, zxid: i64, stat: &Stat, znode: &Znode) -> Result<(), String> {
    let told = (stat.version, stat.czxid, stat.mzxid, stat.ephemeral_owner);
    let true_one = (znode.version, znode.czxid, znode.mzxid, znode.owner);
    if told == true_one {
        Ok(())
    } else {
        Err(format!(
            "{path} at 0x{zxid:x} was told as {told:x?}, it is {true_one:x?}"
        ))
    }
}

fn data(facts: &Facts, path: &str, zxid: i64, err: i32, body: &[u8]) -> Result<(), String> {
    match (facts.model.at(path, zxid), err) {
        (None, e) if e == ErrorCode::NoNode as i32 => Ok(()),
        (Some(znode), 0) => {
            let told = GetDataResponse::from_bytes(body).map_err(|e| e.to_string())?;
            if told.data != znode.data.as_deref() {
                return Err(format!("{path} at 0x{zxid:x} has other data than was told"));
            }
            stat_is(path, zxid, &told.stat, znode)
        }
        (znode, err) => Err(format!(
            "{path} at 0x{zxid:x}: told error {err}, it is {znode:?}"
        )),
    }
}

fn exists(facts: &Facts, path: &str, zxid: i64, err: i32, body: &[u8]) -> Result<(), String> {
    match (facts.model.at(path, zxid), err) {
        (None, e) if e == ErrorCode::NoNode as i32 => Ok(()),
        (Some(znode), 0) => {
            let told = StatResponse::from_bytes(body).map_err(|e| e.to_string())?;
            stat_is(path, zxid, &told.stat, znode)
        }
        (znode, err) => Err(format!(
            "{path} at 0x{zxid:x}: told error {err}, it is {znode:?}"
        )),
    }
}

fn children(facts: &Facts, path: &str, zxid: i64, err: i32, body: &[u8]) -> Result<(), String> {
    match (facts.model.at(path, zxid), err) {
        (None, e) if e == ErrorCode::NoNode as i32 => Ok(()),
        (Some(_), 0) => {
            let told = GetChildrenResponse::from_bytes(body).map_err(|e| e.to_string())?;
            let mut told = told.children;
            told.sort_unstable();
            let true_ones = facts.model.children(path, zxid);
            if told == true_ones {
                Ok(())
            } else {
                Err(format!(
                    "{path} at 0x{zxid:x} has {true_ones:?}, told were {told:?}"
                ))
            }
        }
        (znode, err) => Err(format!(
            "{path} at 0x{zxid:x}: told error {err}, it is {znode:?}"
        )),
    }
}
