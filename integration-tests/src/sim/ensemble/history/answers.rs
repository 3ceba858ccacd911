//! What a write may be answered, by the state of the ensemble at its place in the history: what was asked
//! for was done and nothing else, or it was refused for the reason that there is.

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::error::ErrorCode;
use proto::zk::multi::next_header;
use proto::zk::request::CreateMode;
use proto::zk::response::{PathResponse, StatResponse};
use zk_server::tree::ephemeral::{CONTAINER_OWNER, ttl_owner};
use zk_server::tree::txn::{Body, Kind, Record};

use super::committed_reads::stat_is;
use crate::sim::ensemble::model::Model;
use crate::sim::ensemble::operation::{Operation, TTL_MS};

/// A reply to a write, at the zxid of the transaction that it says it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub zxid: i64,
    pub err: i32,
    pub body: &'a [u8],
    /// the transaction
    pub record: &'a [u8],
}

/// Whether an operation was answered as it must be.
pub(super) fn check(
    model: &Model,
    operation: &Operation,
    answer: &Answer<'_>,
) -> Result<(), String> {
    let record = Record::read(answer.record).map_err(|e| e.to_string())?;
    let before = Before {
        model,
        zxid: answer.zxid - 1,
    };
    if let Body::Error(code) = record.body {
        if code != answer.err {
            let told = answer.err;
            return Err(format!("failed with {code}, error {told} was told"));
        }
    }
    let right = match operation {
        // Who may be a member is looked at elsewhere.
        Operation::Reconfig { .. } => return Ok(()),
        Operation::Create { path, mode, .. } => before.create(path, *mode),
        Operation::Set { path, .. } => before.there(path),
        Operation::Delete { path, .. } => before.delete(path),
        Operation::Multi { path, child, .. } => before
            .there(path)
            .and_then(|()| before.create(child, CreateMode::Persistent)),
        _ => Ok(()),
    };
    let told = match operation {
        Operation::Multi { .. } => multi_error(answer.body)?,
        _ => answer.err,
    };
    let over_quota = told == ErrorCode::QuotaExceeded as i32;
    match right {
        _ if over_quota && before.has_quota(operation) => return Ok(()),
        Err(expected) if expected as i32 == told => return Ok(()),
        Ok(()) if told == 0 => {}
        right => return Err(format!("told error {told}, it must be {right:?}")),
    }
    if done(operation, &record.body, &before) {
        reply(model, operation, answer)
    } else {
        Err(format!("asked for {operation:?}, got {:?}", record.body))
    }
}

/// The state that a write meets.
struct Before<'a> {
    model: &'a Model,
    zxid: i64,
}

type Expected = Result<(), ErrorCode>;

impl Before<'_> {
    fn has(&self, path: &str) -> bool {
        // What every server begins with.
        path.is_empty() || path == "/zookeeper/quota" || self.model.at(path, self.zxid).is_some()
    }

    fn there(&self, path: &str) -> Expected {
        self.has(path).then_some(()).ok_or(ErrorCode::NoNode)
    }

    fn create(&self, path: &str, mode: CreateMode) -> Expected {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.there(parent)?;
        if !mode.is_sequential() && self.has(path) {
            return Err(ErrorCode::NodeExists);
        }
        let owner = self.model.at(parent, self.zxid).map_or(0, |z| z.owner);
        if owner > 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        Ok(())
    }

    fn delete(&self, path: &str) -> Expected {
        self.there(path)?;
        let empty = self.model.children(path, self.zxid).is_empty();
        empty.then_some(()).ok_or(ErrorCode::NotEmpty)
    }

    fn has_quota(&self, operation: &Operation) -> bool {
        let (Operation::Create { path, .. }
        | Operation::Set { path, .. }
        | Operation::Multi { path, .. }) = operation
        else {
            return false;
        };
        let top = path.split(['/', '-']).nth(1).unwrap_or_default();
        self.has(&format!("/zookeeper/quota/{top}/zookeeper_limits"))
    }
}

/// Why a multi failed as a whole; 0 when it did not.
fn multi_error(body: &[u8]) -> Result<i32, String> {
    let mut r = Reader::new(body);
    let unreadable = |e| format!("a result of a multi that can't be read: {e}");
    let mut told = None;
    loop {
        match next_header(&mut r).map_err(unreadable)? {
            None => return Ok(told.unwrap_or(0)),
            Some(header) if header.op == OpCode::Error.code() => {
                let code = i32::read(&mut r).map_err(unreadable)?;
                // Those before and behind the one that failed have codes of their own.
                let own = [0, ErrorCode::RuntimeInconsistency as i32];
                if !own.contains(&code) {
                    told = Some(code);
                }
            }
            // Then it was carried out.
            Some(_) => return Ok(0),
        }
    }
}

/// Whether the transaction is what was asked for.
fn done(operation: &Operation, body: &Body<'_>, before: &Before<'_>) -> bool {
    match (operation, body) {
        (
            Operation::Create {
                path, data, mode, ..
            },
            Body::Create(create),
        ) => {
            let named = if mode.is_sequential() {
                let number = create.path.strip_prefix(path.as_str());
                number.is_some_and(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_digit()))
            } else {
                create.path == path
            };
            named && create.data == Some(&data[..]) && create.kind == kind(*mode)
        }
        (
            Operation::Set { path, data, .. },
            Body::SetData {
                path: p,
                data: d,
                version,
            },
        ) => {
            let old = before.model.at(path, before.zxid).map_or(0, |z| z.version);
            p == path && *d == Some(&data[..]) && *version == old + 1
        }
        (Operation::Delete { path, .. }, Body::Delete { path: p }) => p == path,
        (Operation::Multi { path, data, child }, Body::Multi(parts)) => {
            let parts = parts
                .iter()
                .map(|&(op, bytes)| Body::read(op, &mut Reader::new(bytes)));
            let parts: Vec<_> = parts.flatten().collect();
            matches!(&parts[..], [
                Body::Check { path: a },
                Body::SetData { path: b, data: d, .. },
                Body::Create(create),
            ] if a == path && b == path && *d == Some(&data[..]) && create.path == child)
        }
        (Operation::Close, Body::CloseSession(_)) => true,
        _ => false,
    }
}

fn kind(mode: CreateMode) -> Kind {
    match mode {
        CreateMode::Container => Kind::Container,
        mode if mode.is_ephemeral() => Kind::Ephemeral,
        mode if mode.is_ttl() => Kind::Ttl(TTL_MS),
        _ => Kind::Plain,
    }
}

/// `ephemeralOwner` of what a session makes.
pub fn owner(kind: Kind, session: i64) -> i64 {
    match kind {
        Kind::Plain => 0,
        Kind::Ephemeral => session,
        Kind::Container => CONTAINER_OWNER,
        Kind::Ttl(ttl) => ttl_owner(ttl).unwrap_or(0),
    }
}

/// What the reply to a write that was done says of it.
fn reply(model: &Model, operation: &Operation, answer: &Answer<'_>) -> Result<(), String> {
    match operation {
        Operation::Create { path, .. } => {
            let told = PathResponse::from_bytes(answer.body).map_err(|e| e.to_string())?;
            let made = model.at(told.path, answer.zxid);
            if told.path.starts_with(path.as_str()) && made.is_some_and(|z| z.czxid == answer.zxid)
            {
                Ok(())
            } else {
                Err(format!("{} was told, it was not made", told.path))
            }
        }
        Operation::Set { path, .. } if !path.starts_with("/zookeeper") => {
            let told = StatResponse::from_bytes(answer.body).map_err(|e| e.to_string())?;
            match model.at(path, answer.zxid) {
                Some(znode) => stat_is(path, answer.zxid, &told.stat, znode),
                None => Err(format!("{path} was told to be set, it is not there")),
            }
        }
        _ => Ok(()),
    }
}
