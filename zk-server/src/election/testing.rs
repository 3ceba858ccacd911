//! Several elections on one table: messages that take their time or get lost, servers that stop.

use std::collections::BTreeMap;

use proto::quorum::{Notification, PeerState};

use super::{Basis, Effect, Election, Settings};
use crate::quorum::View;
use crate::units::Now;

pub(super) struct Table {
    pub(super) view: View,
    pub(super) servers: BTreeMap<i64, Election>,
    pub(super) bases: BTreeMap<i64, Basis>,
    /// when, number, to, from; one a pair, as on the wire
    mail: BTreeMap<(u64, u64), (i64, i64, Notification)>,
    count: u64,
    pub(super) now_us: u64,
    /// microseconds from one server to another; `None` loses the message
    pub(super) delay: Box<dyn FnMut(i64, i64) -> Option<u64>>,
    pub(super) sent: u64,
    pub(super) newer: Vec<(i64, View)>,
    pub(super) looks_again: Vec<(i64, i64)>,
}

pub(super) fn view(lines: &str) -> View {
    View::parse("test", lines.as_bytes(), false).unwrap()
}

pub(super) fn voters(ids: impl IntoIterator<Item = i64>) -> View {
    let line = |id| format!("server.{id}=h{id}:2888:3888\n");
    view(&ids.into_iter().map(line).collect::<String>())
}

impl Table {
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            servers: BTreeMap::new(),
            bases: BTreeMap::new(),
            mail: BTreeMap::new(),
            count: 0,
            now_us: 1_000_000,
            delay: Box::new(|_, _| Some(300)),
            sent: 0,
            newer: Vec::new(),
            looks_again: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_us: self.now_us,
            wall_ms: 0,
        }
    }

    /// A server starts with this much in its log and looks for a leader.
    pub(super) fn start(&mut self, id: i64, epoch: i64, zxid: i64) {
        let basis = Basis { zxid, epoch };
        let settings = Settings {
            reconfig: true,
            ..Settings::default()
        };
        let election = Election::new(id, settings, self.view.clone(), basis);
        self.bases.insert(id, basis);
        self.servers.insert(id, election);
        self.look(id);
    }

    pub(super) fn look(&mut self, id: i64) {
        let basis = self.bases[&id];
        self.with(id, |election, now, out| election.look(basis, now, out));
    }

    pub(super) fn stop(&mut self, id: i64) {
        self.servers.remove(&id);
        self.mail
            .retain(|_, (to, from, _)| *to != id && *from != id);
    }

    pub(super) fn with(&mut self, id: i64, f: impl FnOnce(&mut Election, Now, &mut Vec<Effect>)) {
        let now = self.now();
        let mut out = Vec::new();
        if let Some(election) = self.servers.get_mut(&id) {
            f(election, now, &mut out);
        }
        for effect in out {
            match effect {
                Effect::Notify { to, notification } => self.post(to, id, notification),
                Effect::Decided { vote, state } => {
                    let election = &self.servers[&id];
                    assert_eq!((election.vote(), election.state()), (vote, state));
                    assert_eq!(state == PeerState::Leading, vote.leader == id);
                }
                Effect::Newer(view) => self.newer.push((id, view)),
                Effect::LooksAgain { server } => self.looks_again.push((id, server)),
            }
        }
    }

    fn post(&mut self, to: i64, from: i64, notification: Notification) {
        assert_ne!(to, from);
        self.sent += 1;
        let Some(delay) = (self.delay)(from, to) else {
            return;
        };
        // A connection keeps the order, and only the newest unsent message.
        let last = self.mail.iter().rev();
        let last = last.filter(|(_, (t, f, _))| (*t, *f) == (to, from));
        let last = last.map(|((at, _), _)| *at).next().unwrap_or_default();
        self.count += 1;
        let at = (self.now_us + delay).max(last);
        self.mail.insert((at, self.count), (to, from, notification));
    }

    /// The next thing happens: a message or a deadline, up to `until`.
    pub(super) fn step(&mut self, until: u64) -> bool {
        let deadlines = self.servers.iter();
        let deadline = deadlines
            .filter_map(|(id, election)| Some((election.next_deadline()?, *id)))
            .min();
        let mail = self.mail.keys().next().copied();
        let at = match (deadline, mail) {
            (None, None) => return false,
            (deadline, mail) => deadline
                .map_or(u64::MAX, |(at, _)| at)
                .min(mail.map_or(u64::MAX, |(at, _)| at)),
        };
        if at > until {
            self.now_us = until;
            return false;
        }
        self.now_us = self.now_us.max(at);
        if let Some(key) = mail.filter(|(mail_at, _)| *mail_at <= at) {
            if let Some((to, from, notification)) = self.mail.remove(&key) {
                self.with(to, |election, now, out| {
                    election.notification(from, &notification, now, out);
                });
            }
        } else if let Some((_, id)) = deadline {
            self.with(id, Election::tick);
        }
        true
    }

    pub(super) fn run_for(&mut self, ms: u64) {
        let until = self.now_us + ms * 1000;
        while self.step(until) {}
        self.now_us = until;
    }

    /// Runs until everybody has decided; how long it took.
    pub(super) fn decide(&mut self, at_most_ms: u64) -> u64 {
        let (start, until) = (self.now_us, self.now_us + at_most_ms * 1000);
        while !self.decided() && self.step(until) {}
        assert!(self.decided(), "{:#?}", self.states());
        (self.now_us - start) / 1000
    }

    pub(super) fn decided(&self) -> bool {
        let mut states = self.servers.values().map(Election::state);
        !states.any(|state| state == PeerState::Looking)
    }

    pub(super) fn states(&self) -> Vec<(i64, PeerState, i64)> {
        let of = |(id, e): (&i64, &Election)| (*id, e.state(), e.vote().leader);
        self.servers.iter().map(of).collect()
    }

    /// All have decided for the same leader, and it leads.
    pub(super) fn leader(&self) -> i64 {
        let leaders: Vec<i64> = self.servers.values().map(|e| e.vote().leader).collect();
        let leader = leaders[0];
        assert!(leaders.iter().all(|l| *l == leader), "{:?}", self.states());
        leader
    }
}
