//! Judges what clients were told: writes are linearizable, each session sees its own order, reads
//! show committed states, watches fire once, in time and for a reason, sequential names are unique. One rule
//! a file.

mod answers;
mod committed_log_is_whole;
mod committed_reads;
mod config_before_log;
mod expiry_is_real;
mod linearizable_writes;
mod sequential_once;
mod session_order;
mod sync_is_whole;
mod watch_rules;

use std::collections::{BTreeMap, BTreeSet};

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::error::ErrorCode;
use proto::zk::response::ReplyHeader;

pub use answers::owner;
pub use committed_log_is_whole::committed_log;
pub use config_before_log::config_logged;
pub use expiry_is_real::expired;
use session_order::in_order;
pub use sync_is_whole::abandoned;
use watch_rules::missed_watches;

use super::facts::Facts;
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
    DONE_IS_DURABLE,
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
/// What the files' owner says is on disk outlives a power cut.
pub const DONE_IS_DURABLE: &str = "DoneIsDurable";
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
}

#[cfg(test)]
mod tests;
