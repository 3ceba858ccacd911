//! Replies as text that must be equal on both sides: session ids by first appearance, times checked
//! against the zxid that set them, lists without an order of their own sorted.

use std::collections::HashMap;
use std::fmt::Write;

use proto::buf::{ReadError, Reader};
use proto::jute::Jute;
use proto::zk::acl::Acl;
use proto::zk::multi::next_header;
use proto::zk::response as rs;
use proto::zk::stat::Stat;
use proto::zk::watch::WatcherEvent;
use proto::zk::{ErrorCode, OpCode};

use super::coverage::Coverage;

/// What one side has shown so far.
#[derive(Debug)]
pub(super) struct Canon {
    /// Milliseconds since 1970 at the start of the run.
    started: i64,
    sessions: HashMap<i64, usize>,
    /// The time of each transaction, as any Stat has told it.
    times: HashMap<i64, i64>,
    pub(super) coverage: Coverage,
}

/// No run lasts longer; clocks of one machine differ by less.
const AN_HOUR_MS: i64 = 3_600_000;

impl Canon {
    pub(super) fn new(started: i64) -> Self {
        Self {
            started,
            sessions: HashMap::new(),
            times: HashMap::new(),
            coverage: Coverage::default(),
        }
    }

    pub(super) fn session(&mut self, id: i64) -> String {
        if id == 0 {
            return "none".to_owned();
        }
        let next = self.sessions.len() + 1;
        format!("S{}", self.sessions.entry(id).or_insert(next))
    }

    fn owner(&self, id: i64) -> String {
        match self.sessions.get(&id) {
            Some(n) => format!("S{n}"),
            None => format!("{id:#x}"),
        }
    }

    fn time(&mut self, zxid: i64, time: i64) -> &'static str {
        if *self.times.entry(zxid).or_insert(time) == time {
            let possible = time == 0 || (time - self.started).abs() < AN_HOUR_MS;
            if possible { "" } else { "(TIME IS WRONG)" }
        } else {
            "(TIME IS NOT ITS TRANSACTION'S)"
        }
    }

    fn stat(&mut self, s: &Stat) -> String {
        let (c, m) = (self.time(s.czxid, s.ctime), self.time(s.mzxid, s.mtime));
        format!(
            "{{c={:#x}{c} m={:#x}{m} p={:#x} v={} cv={} av={} owner={} len={} kids={}}}",
            s.czxid,
            s.mzxid,
            s.pzxid,
            s.version,
            s.cversion,
            s.aversion,
            self.owner(s.ephemeral_owner),
            s.data_length,
            s.num_children
        )
    }

    /// A watch event's or a reply's frame.
    pub(super) fn frame(&mut self, frame: &[u8], op: Option<i32>) -> String {
        let mut r = Reader::new(frame);
        let Ok(header) = rs::ReplyHeader::read(&mut r) else {
            return format!("short frame {frame:02x?}");
        };
        let mut text = format!("xid={} zxid={:#x} ", header.xid, header.zxid);
        let Some(op) = op else {
            match WatcherEvent::read(&mut r) {
                Ok(e) => {
                    let WatcherEvent {
                        event_type,
                        state,
                        path,
                    } = e;
                    let _ = write!(text, "EVENT type={event_type} state={state} path={path}");
                }
                Err(e) => {
                    let _ = write!(text, "EVENT {e}");
                }
            }
            return text;
        };
        let name = op_name(op);
        self.coverage.count(&name, &outcome(header.err));
        let _ = write!(text, "{name} {}", outcome(header.err));
        // Java sends what it has of a multiRead behind an error; no client looks at it.
        if header.err == 0 {
            let rest = r.rest().to_vec();
            match self.body(op, &mut r) {
                Ok(body) => {
                    let _ = write!(text, " {body}");
                }
                Err(e) => {
                    let _ = write!(text, " unreadable ({e}): {rest:02x?}");
                }
            }
            if !r.is_empty() {
                let _ = write!(text, " trailing {:02x?}", r.rest());
            }
        }
        text
    }

    fn body(&mut self, op: i32, r: &mut Reader<'_>) -> Result<String, ReadError> {
        let Some(op) = OpCode::from_code(op) else {
            return Ok(String::new());
        };
        Ok(match op {
            OpCode::Create | OpCode::Sync => format!("path={}", rs::PathResponse::read(r)?.path),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                let created = rs::Create2Response::read(r)?;
                format!("path={} {}", created.path, self.stat(&created.stat))
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => {
                self.stat(&rs::StatResponse::read(r)?.stat)
            }
            OpCode::GetData | OpCode::Reconfig => {
                let got = rs::GetDataResponse::read(r)?;
                format!("data={} {}", data(got.data), self.stat(&got.stat))
            }
            OpCode::GetAcl => {
                let got = rs::GetAclResponse::read(r)?;
                format!("acl={} {}", acls(&got.acl), self.stat(&got.stat))
            }
            OpCode::GetChildren => {
                format!(
                    "children={:?}",
                    sorted(rs::GetChildrenResponse::read(r)?.children)
                )
            }
            OpCode::GetChildren2 => {
                let got = rs::GetChildren2Response::read(r)?;
                format!(
                    "children={:?} {}",
                    sorted(got.children),
                    self.stat(&got.stat)
                )
            }
            OpCode::GetEphemerals => {
                format!(
                    "paths={:?}",
                    sorted(rs::GetEphemeralsResponse::read(r)?.ephemerals)
                )
            }
            OpCode::GetAllChildrenNumber => {
                format!(
                    "number={}",
                    rs::GetAllChildrenNumberResponse::read(r)?.total_number
                )
            }
            OpCode::AddWatch => format!("err={}", rs::ErrorResponse::read(r)?.err),
            OpCode::WhoAmI => {
                let who = rs::WhoAmIResponse::read(r)?;
                let mut who: Vec<String> = who
                    .client_info
                    .iter()
                    .map(|info| format!("{}:{}", info.auth_scheme, info.user))
                    .collect();
                who.sort_unstable();
                format!("{who:?}")
            }
            OpCode::Sasl => format!("token={}", data(rs::SaslResponse::read(r)?.token)),
            OpCode::Multi | OpCode::MultiRead => self.multi(op, r)?,
            _ => String::new(),
        })
    }

    fn multi(&mut self, outer: OpCode, r: &mut Reader<'_>) -> Result<String, ReadError> {
        let mut text = String::new();
        while let Some(header) = next_header(r)? {
            let (name, outcome, body) = if header.op == OpCode::Error.code() {
                let err = rs::ErrorResponse::read(r)?.err;
                ("error".to_owned(), outcome(err), String::new())
            } else {
                let body = self.body(header.op, r)?;
                (op_name(header.op), outcome(0), body)
            };
            let part = format!("{}:{name}", outer.java_name());
            self.coverage.count(&part, &outcome);
            let _ = write!(text, "[{name} {} {outcome} {body}]", header.err);
        }
        Ok(text)
    }
}

fn data(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => format!("\"{}\"", bytes.escape_ascii()),
    }
}

fn acls(list: &[Acl<'_>]) -> String {
    let each = list
        .iter()
        .map(|a| format!("{}:{}:{}", a.id.scheme, a.id.id, a.perms));
    format!("{:?}", each.collect::<Vec<_>>())
}

fn sorted(mut items: Vec<&str>) -> Vec<&str> {
    items.sort_unstable();
    items
}

fn op_name(op: i32) -> String {
    match OpCode::from_code(op) {
        Some(op) => op.java_name().to_owned(),
        None => "unknown".to_owned(),
    }
}

fn outcome(err: i32) -> String {
    match ErrorCode::from_code(err) {
        Some(code) => code.java_name().to_owned(),
        None => format!("ERR{err}"),
    }
}
