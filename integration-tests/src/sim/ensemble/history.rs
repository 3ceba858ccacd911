//! Judges what clients were told: writes are linearizable, each session sees its own order, reads
//! show committed states, watches fire once, in time and for a reason, sequential names are unique.

use std::collections::{BTreeMap, BTreeSet};

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::error::ErrorCode;
use proto::zk::request::CreateMode;
use proto::zk::response::{
    GetChildrenResponse, GetDataResponse, PathResponse, ReplyHeader, StatResponse,
};
use proto::zk::stat::Stat;
use proto::zk::watch::{EventType, WatcherEvent};

use super::answers::{self, Answer};
use super::facts::Facts;
use super::model::{Change, Znode};
use super::operation::Operation;

/// Names of the properties, for the coverage.
pub const PROPERTIES: &[&str] = &[
    LINEARIZABLE_WRITES,
    SESSION_ORDER,
    COMMITTED_READS,
    WATCH_BEFORE_DATA,
    WATCH_HAS_CAUSE,
    SEQUENTIAL_ONCE,
    COMMITTED_ONCE,
    EXPIRY_IS_REAL,
    SESSIONS_END,
    CONTAINERS_GO,
    START_IS_DURABLE,
    CONFIG_BEFORE_LOG,
    COMMITTED_LOG_IS_WHOLE,
    SYNC_IS_WHOLE,
    "EqualTrees",
    "Heals",
];
pub const LINEARIZABLE_WRITES: &str = "LinearizableWrites";
pub const SESSION_ORDER: &str = "SessionOrder";
pub const COMMITTED_READS: &str = "CommittedReads";
pub const WATCH_BEFORE_DATA: &str = "WatchBeforeData";
pub const WATCH_HAS_CAUSE: &str = "WatchHasCause";
pub const SEQUENTIAL_ONCE: &str = "SequentialOnce";
pub const EXPIRY_IS_REAL: &str = "ExpiryIsReal";
/// A session whose client is gone ends.
pub const SESSIONS_END: &str = "SessionsEnd";
/// A container that has lost its last child goes, too.
pub const CONTAINERS_GO: &str = "ContainersGo";
/// A request is carried out once at most.
pub const COMMITTED_ONCE: &str = "CommittedOnce";
/// What a start has read outlives a power cut.
pub const START_IS_DURABLE: &str = "StartIsDurable";
pub const CONFIG_BEFORE_LOG: &str = "ConfigBeforeLog";
/// What a server would send a learner as DIFF has no hole.
pub const COMMITTED_LOG_IS_WHOLE: &str = "CommittedLogIsWhole";
/// What a learner is sent fits what it was sent before.
pub const SYNC_IS_WHOLE: &str = "SyncIsWhole";

/// A property and whether it holds.
pub type Judgement = (&'static str, Result<(), String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchKind {
    Data,
    Child,
}

/// A watch that has not fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Armed {
    /// the state that the client has seen
    pub zxid: i64,
    /// the znode was there
    pub there: bool,
    /// A new connection has asked for it again. The server then compares zxids only: a znode that
    /// was deleted and made again looks changed.
    pub again: bool,
    /// what the client had seen when it asked
    pub since: i64,
}

/// A request that has no reply yet.
#[derive(Debug, Clone)]
pub struct Pending {
    pub xid: i32,
    pub operation: Operation,
    /// the last write that anybody was told of when it was sent
    pub floor: i64,
}

/// What one session knows.
#[derive(Debug, Default)]
pub struct SessionView {
    pub session: i64,
    /// the highest zxid of a reply
    pub seen: i64,
    pub last_write: i64,
    pub watches: BTreeMap<(String, WatchKind), Armed>,
    /// asked for again with both kinds of watch: a deletion may be told for each
    pub twice: BTreeSet<String>,
    /// its server is cut off from the ensemble: it shows what it has logged, committed or not
    pub read_only: bool,
    /// such a server has made the session
    pub cut_off: bool,
    /// what the last event told, on this connection
    pub told: i64,
}

/// What all of them know together.
#[derive(Debug, Default)]
pub struct History {
    sequential: BTreeSet<String>,
    pub writes: u64,
    pub reads: u64,
    pub watches: u64,
}

fn broken(property: &'static str, what: String) -> Judgement {
    (property, Err(what))
}

impl History {
    /// A reply to the oldest request of a connection.
    pub fn reply(
        &mut self,
        facts: &mut Facts,
        view: &mut SessionView,
        pending: &Pending,
        frame: &[u8],
    ) -> Vec<Judgement> {
        let mut r = Reader::new(frame);
        let Ok(header) = ReplyHeader::read(&mut r) else {
            return vec![broken(
                SESSION_ORDER,
                "a reply that can't be read".to_owned(),
            )];
        };
        let mut judged = Vec::new();
        let order = if header.xid != pending.xid {
            Err(format!("reply {} to request {}", header.xid, pending.xid))
        } else {
            in_order(view, header.zxid)
        };
        judged.push((SESSION_ORDER, order));
        missed_watches(facts, view, header.zxid, &mut judged);
        view.seen = view.seen.max(header.zxid);
        if let Operation::Check { .. } = pending.operation {
            let refused = header.err == ErrorCode::Unimplemented as i32;
            let told = refused.then_some(()).ok_or_else(|| {
                format!(
                    "a check outside of a multi was answered with {}",
                    header.err
                )
            });
            judged.push((LINEARIZABLE_WRITES, told));
        } else if pending.operation.is_write() {
            self.write(facts, view, pending, &header, r.rest(), &mut judged);
        } else if header.zxid >= 0 {
            self.read(facts, view, pending, &header, r.rest(), &mut judged);
        }
        judged
    }

    /// The reply to a ping says how far its server is, too.
    pub fn ping(facts: &Facts, view: &SessionView, frame: &[u8]) -> Vec<Judgement> {
        let Ok(header) = ReplyHeader::read(&mut Reader::new(frame)) else {
            return vec![broken(
                SESSION_ORDER,
                "a reply that can't be read".to_owned(),
            )];
        };
        let mut judged = vec![(SESSION_ORDER, in_order(view, header.zxid))];
        missed_watches(facts, view, header.zxid, &mut judged);
        judged
    }

    /// The reply to `setWatches`: those that have not fired are for the state of that moment, which must
    /// be as the client knows it.
    pub fn watched_again(facts: &Facts, view: &mut SessionView, frame: &[u8]) -> Vec<Judgement> {
        let Ok(header) = ReplyHeader::read(&mut Reader::new(frame)) else {
            return vec![broken(
                SESSION_ORDER,
                "a reply that can't be read".to_owned(),
            )];
        };
        let zxid = header.zxid;
        let mut judged = Vec::new();
        for ((path, kind), armed) in &mut view.watches {
            let there = facts.model.at(path, zxid);
            let same = match kind {
                WatchKind::Data if armed.there => there.is_some_and(|z| z.mzxid <= armed.since),
                WatchKind::Data => there.is_none(),
                WatchKind::Child => there.is_some_and(|z| z.czxid <= armed.since),
            };
            judged.push(if same {
                (WATCH_BEFORE_DATA, Ok(()))
            } else {
                let since = armed.since;
                broken(
                    WATCH_BEFORE_DATA,
                    format!(
                        "{path} at 0x{zxid:x} is not as it was at 0x{since:x}, and nothing was told"
                    ),
                )
            });
            armed.zxid = zxid;
        }
        judged
    }

    fn write(
        &mut self,
        facts: &mut Facts,
        view: &mut SessionView,
        pending: &Pending,
        header: &ReplyHeader,
        body: &[u8],
        judged: &mut Vec<Judgement>,
    ) {
        let zxid = header.zxid;
        let refused = [
            ErrorCode::SessionMoved as i32,
            ErrorCode::SessionExpired as i32,
        ];
        if refused.contains(&header.err) {
            return;
        }
        if view.read_only {
            let allowed = header.err == ErrorCode::NotReadOnly as i32
                || pending.operation == Operation::Close && header.err == 0;
            let told = if allowed {
                Ok(())
            } else {
                Err(format!(
                    "a server that is cut off answered a write with {}",
                    header.err
                ))
            };
            judged.push((LINEARIZABLE_WRITES, told));
            return;
        }
        // A local session ends where it is.
        if pending.operation == Operation::Close && !facts.model.knows_session(view.session) {
            return;
        }
        self.writes += 1;
        let session = view.session;
        let claim = facts
            .proposals
            .get(&zxid)
            .filter(|_| facts.is_committed(zxid));
        let right = match claim {
            None => Err(format!(
                "a write was answered at 0x{zxid:x}, which is not committed"
            )),
            Some(p) if p.session != session || p.cxid != pending.xid => Err(format!(
                "write {} of 0x{session:x} was answered with {} at 0x{zxid:x}, which is write {} of 0x{:x}",
                pending.xid, header.err, p.cxid, p.session
            )),
            Some(p) if (p.op == OpCode::Error.code()) != (header.err != 0) => Err(format!(
                "write at 0x{zxid:x} was answered with error {}",
                header.err
            )),
            Some(_) if zxid <= pending.floor => Err(format!(
                "a write at 0x{zxid:x} began after 0x{:x} was acknowledged",
                pending.floor
            )),
            Some(p) => answers::check(
                &facts.model,
                &pending.operation,
                &Answer {
                    zxid,
                    session,
                    err: header.err,
                    body,
                    record: &p.record,
                },
            )
            .map_err(|why| format!("write {} at 0x{zxid:x}: {why}", pending.xid)),
        };
        judged.push((LINEARIZABLE_WRITES, right));
        if zxid <= view.last_write {
            judged.push(broken(
                SESSION_ORDER,
                format!(
                    "session 0x{session:x} wrote at 0x{:x}, then at 0x{zxid:x}",
                    view.last_write
                ),
            ));
        }
        view.last_write = zxid;
        facts.acknowledge(zxid);
        if let Operation::Create { mode, path, .. } = &pending.operation {
            // A restore takes the numbers back that were given since.
            if mode.is_sequential() && header.err == 0 && zxid > facts.restored {
                judged.push((SEQUENTIAL_ONCE, self.sequential(path, *mode, body)));
            }
        }
    }

    /// The numbers of sequential names begin again where they were when the snapshot was taken.
    pub fn restored(&mut self) {
        self.sequential.clear();
    }

    fn sequential(&mut self, prefix: &str, _: CreateMode, body: &[u8]) -> Result<(), String> {
        let made = PathResponse::from_bytes(body)
            .map_err(|e| e.to_string())?
            .path
            .to_owned();
        let number = made.strip_prefix(prefix).is_some_and(|n| n.len() == 10);
        if number && self.sequential.insert(made.clone()) {
            Ok(())
        } else {
            Err(format!("{made} was given as the next of {prefix}"))
        }
    }

    fn read(
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

    fn arm(&mut self, view: &mut SessionView, operation: &Operation, zxid: i64, err: i32) {
        let (path, kind) = match operation {
            Operation::Data { path, watch: true } if err == 0 => (path, WatchKind::Data),
            Operation::Exists { path, watch: true } => (path, WatchKind::Data),
            Operation::Children { path, watch: true } if err == 0 => (path, WatchKind::Child),
            _ => return,
        };
        let armed = Armed {
            zxid,
            there: err == 0,
            again: false,
            since: zxid,
        };
        view.watches.insert((path.clone(), kind), armed);
    }

    /// A watch event.
    pub fn event(&mut self, facts: &Facts, view: &mut SessionView, frame: &[u8]) -> Judgement {
        let mut r = Reader::new(frame);
        let header = ReplyHeader::read(&mut r);
        let (Ok(header), Ok(event)) = (header, WatcherEvent::read(&mut r)) else {
            return broken(WATCH_HAS_CAUSE, "an event that can't be read".to_owned());
        };
        self.watches += 1;
        let known = cause(facts, view, &event, header.zxid);
        let ordered = known.and_then(|()| event_order(view, header.zxid));
        (WATCH_HAS_CAUSE, ordered)
    }
}

/// An event comes before any reply that shows what it tells of.
fn missed_watches(facts: &Facts, view: &SessionView, zxid: i64, judged: &mut Vec<Judgement>) {
    for ((path, kind), armed) in &view.watches {
        let kinds: &[Change] = match (kind, armed.there) {
            (WatchKind::Data, true) => &[Change::Data, Change::Deleted],
            (WatchKind::Data, false) => &[Change::Created],
            (WatchKind::Child, _) => &[Change::Children, Change::Deleted],
        };
        let missed = facts.model.first_change(path, armed.zxid, zxid, kinds);
        judged.push(match missed {
            None => (WATCH_BEFORE_DATA, Ok(())),
            Some((at, change)) => broken(
                WATCH_BEFORE_DATA,
                format!(
                    "session 0x{:x} sees 0x{zxid:x} and was not told that {path} changed at 0x{at:x} \
                     ({change:?}; watched since 0x{:x})",
                    view.session, armed.zxid
                ),
            ),
        });
    }
}

/// A server of this epoch says that a session is over.
pub fn expired(facts: &Facts, session: i64, epoch: i64) -> Judgement {
    let lives = facts.model.session_lives(session, i64::MAX);
    // A leader that others have replaced, and does not know it yet, cannot know the sessions of the new
    // one; its word costs the client a session, and nobody a lock that he holds.
    let later = facts.model.session_began(session) >> 32 > epoch;
    if !lives || later || facts.closing.contains(&session) {
        return (EXPIRY_IS_REAL, Ok(()));
    }
    let what = format!("session 0x{session:x} lives and was told that it is over");
    broken(EXPIRY_IS_REAL, what)
}

/// What a server keeps to bring learners up to date: `zxids` are neighbours in the history.
pub fn committed_log(
    facts: &Facts,
    server: i64,
    zxids: impl IntoIterator<Item = i64>,
) -> Judgement {
    let mut before = None;
    for zxid in zxids {
        let prev = facts.proposals.get(&zxid).map(|p| p.prev);
        if before.is_some() && before != prev {
            return broken(
                COMMITTED_LOG_IS_WHOLE,
                format!(
                    "{server} keeps 0x{zxid:x} behind {before:x?}, it belongs behind {prev:x?}"
                ),
            );
        }
        before = Some(zxid);
    }
    (COMMITTED_LOG_IS_WHOLE, Ok(()))
}

/// Why a role has ended: a link keeps its order, and nothing is missing on it but by the leader's fault.
pub fn abandoned(reason: &str) -> Judgement {
    let misfits = ["Committing 0x", "DIFF sync got"];
    let fits = !misfits.iter().any(|words| reason.starts_with(words));
    (
        SYNC_IS_WHOLE,
        fits.then_some(()).ok_or_else(|| reason.to_owned()),
    )
}

/// A reconfiguration is logged by a server whose files know the one of `known`: whoever starts again must
/// know that its quorum counts.
pub fn config_logged(server: i64, zxid: i64, known: i64) -> Judgement {
    if known >= zxid {
        return (CONFIG_BEFORE_LOG, Ok(()));
    }
    broken(
        CONFIG_BEFORE_LOG,
        format!("{server} logs the reconfiguration 0x{zxid:x}, its files have 0x{known:x}"),
    )
}

/// No server that a session talks to is behind what it has shown before.
fn in_order(view: &SessionView, zxid: i64) -> Result<(), String> {
    if zxid <= 0 || zxid >= view.seen {
        return Ok(());
    }
    Err(format!(
        "session 0x{:x} saw 0x{:x}, then 0x{zxid:x}",
        view.session, view.seen
    ))
}

/// Events of transactions come in their order.
fn event_order(view: &mut SessionView, zxid: i64) -> Result<(), String> {
    if zxid > 0 && zxid < view.told {
        let (session, told) = (view.session, view.told);
        return Err(format!(
            "session 0x{session:x} was told of 0x{told:x}, then of 0x{zxid:x}"
        ));
    }
    view.told = zxid.max(view.told);
    Ok(())
}

/// Finds the watch that an event belongs to, takes it away, and looks for the change. `zxid`: the
/// transaction that the server names; -1 when it compared states.
fn cause(
    facts: &Facts,
    view: &mut SessionView,
    event: &WatcherEvent<'_>,
    zxid: i64,
) -> Result<(), String> {
    let path = event.path;
    let what = EventType::from_code(event.event_type).ok_or("an event of unknown type")?;
    let (kinds, changes): (&[WatchKind], &[Change]) = match what {
        EventType::NodeCreated => (&[WatchKind::Data], &[Change::Created]),
        EventType::NodeDataChanged => (&[WatchKind::Data], &[Change::Data]),
        EventType::NodeDeleted => (&[WatchKind::Data, WatchKind::Child], &[Change::Deleted]),
        EventType::NodeChildrenChanged => (&[WatchKind::Child], &[Change::Children]),
        _ => return Err(format!("{path}: {what:?}")),
    };
    let mut known = false;
    for &kind in kinds {
        let Some(armed) = view.watches.remove(&(path.to_owned(), kind)) else {
            continue;
        };
        known = true;
        let remade = [changes, &[Change::Created]].concat();
        let changes = if armed.again { &remade } else { changes };
        let first = facts
            .model
            .first_change(path, armed.zxid, i64::MAX, changes);
        let it = first.is_some_and(|(at, _)| at == zxid || zxid <= 0 || armed.again);
        if !it {
            return Err(format!(
                "session 0x{:x} was told {what:?} of {path} at 0x{zxid:x}; after 0x{:x} that happened at {first:x?}",
                view.session, armed.zxid
            ));
        }
    }
    if known || what == EventType::NodeDeleted && view.twice.remove(path) {
        Ok(())
    } else {
        Err(format!(
            "session 0x{:x} was told {what:?} of {path} and had no watch there",
            view.session
        ))
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

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
