//! Watches: an event comes before any reply that shows what it tells of, once, for a reason, and in the
//! order of the transactions (etcd#15271, #17529, #19179).

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::response::ReplyHeader;
use proto::zk::watch::{EventType, WatcherEvent};

use super::{
    Armed, History, Judgement, SESSION_ORDER, SessionView, WATCH_BEFORE_DATA, WATCH_HAS_CAUSE,
    WatchKind, broken,
};
use crate::sim::ensemble::facts::Facts;
use crate::sim::ensemble::model::Change;
use crate::sim::ensemble::operation::Operation;

impl History {
    pub(super) fn arm(
        &mut self,
        view: &mut SessionView,
        operation: &Operation,
        zxid: i64,
        err: i32,
    ) {
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
pub(super) fn missed_watches(
    facts: &Facts,
    view: &SessionView,
    zxid: i64,
    judged: &mut Vec<Judgement>,
) {
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
