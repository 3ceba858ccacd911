//! One server's part in the elections (Java: `FastLeaderElection.lookForLeader` and
//! `WorkerReceiver`). Lives as long as the server: while that has a leader, it answers those who look
//! for one. Sends nothing itself and reads no clock.
//!
//! Where it differs from Java on purpose: a round is decided without waiting for better votes when
//! none can come, all other voters having voted alike or having just gone down; the decision is told to
//! the voters, so that no vote of before stays on its way to a server that was away; the interval
//! between notifications does not start over with each message that comes in.

use std::collections::{BTreeMap, BTreeSet};

use proto::quorum::{Notification, PeerState};

use super::ballot::{Ballot, Ballots, Basis, Vote, supporters};
use crate::quorum::View;
use crate::units::Now;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long better votes are waited for once there is a quorum.
    pub finalize_ms: u64,
    /// `fastleader.minNotificationInterval`
    pub min_interval_ms: u64,
    /// `fastleader.maxNotificationInterval`
    pub max_interval_ms: u64,
    /// `reconfigEnabled`: newer configurations are taken from notifications
    pub reconfig: bool,
    /// `multiAddress.enabled`
    pub multi_address: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            finalize_ms: 200,
            min_interval_ms: 200,
            max_interval_ms: 60_000,
            reconfig: false,
            multi_address: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The newest for a server takes the place of an unsent older one.
    Notify { to: i64, notification: Notification },
    /// The election is over: this server leads (`vote.leader` is its own id), follows or observes.
    Decided { vote: Vote, state: PeerState },
    /// A voter has a newer configuration with other members. To take it: `set_views`, then `look`.
    Newer(View),
    /// A server that had a leader looks for one while this one has one (Java:
    /// `Leader.reportLookingSid`).
    LooksAgain { server: i64 },
}

/// Answers to others than voters that are remembered, so that two servers that take each other for
/// none don't answer each other for ever.
const STRANGERS: usize = 64;
const STRANGER_PAUSE_US: u64 = 50_000;

#[derive(Debug)]
pub struct Election {
    me: i64,
    settings: Settings,
    view: View,
    /// what the oracle of an ensemble of two says (Java: `QuorumOracleMaj`); `None`: there is none
    oracle: Option<bool>,
    /// proposed and not active yet; its voters have a say too
    next: Option<View>,
    /// Java: `logicalclock`
    round: i64,
    /// what this server votes for, or has decided
    vote: Vote,
    state: PeerState,
    looking: Option<Looking>,
    out_of_reach: BTreeSet<i64>,
    /// who has sent anything since this server started
    heard: BTreeSet<i64>,
    strangers: BTreeMap<i64, (u64, Notification)>,
}

#[derive(Debug)]
struct Looking {
    own: Vote,
    basis: Basis,
    /// votes of this round (Java: `recvset`)
    received: Ballots,
    /// what those say who have a leader, of any round (Java: `outofelection`)
    settled: Ballots,
    interval_us: u64,
    send_at: u64,
    /// a quorum agrees; decided then if nothing better comes
    decide_at: Option<u64>,
}

impl Election {
    /// `basis` makes the vote that others are told until `look` begins.
    pub fn new(me: i64, settings: Settings, view: View, basis: Basis) -> Self {
        Self {
            me,
            settings,
            view,
            oracle: None,
            next: None,
            round: 0,
            vote: Vote {
                leader: me,
                zxid: basis.zxid,
                round: 0,
                peer_epoch: basis.epoch,
            },
            state: PeerState::Looking,
            looking: None,
            out_of_reach: BTreeSet::new(),
            heard: BTreeSet::new(),
            strangers: BTreeMap::new(),
        }
    }

    pub fn state(&self) -> PeerState {
        self.state
    }

    /// The vote of this moment; the decision once there is one.
    pub fn vote(&self) -> Vote {
        self.vote
    }

    /// The active configuration, and one that is proposed.
    pub fn set_views(&mut self, view: View, next: Option<View>) {
        self.view = view;
        self.next = next;
    }

    /// Whether this server may lead without the other one of two.
    pub fn oracle(&mut self, grants: bool, now: Now, out: &mut Vec<Effect>) {
        self.oracle = Some(grants);
        self.count(now, out);
    }

    /// Begins a new round.
    pub fn look(&mut self, basis: Basis, now: Now, out: &mut Vec<Effect>) {
        // Others can tell of any round; Java begins anew after the last one, too.
        self.round = self.round.wrapping_add(1);
        self.state = PeerState::Looking;
        let own = self.own_vote(basis);
        self.vote = own;
        let interval_us = self.settings.min_interval_ms * 1000;
        self.looking = Some(Looking {
            own,
            basis,
            received: Ballots::new(),
            settled: Ballots::new(),
            interval_us,
            send_at: now.mono_us + interval_us,
            decide_at: None,
        });
        self.send_all(out);
        self.count(now, out);
    }

    /// After synchronisation: others are told the epoch that the ensemble has now (Java:
    /// `updateElectionVote`).
    pub fn set_epoch(&mut self, epoch: i64) {
        self.vote.peer_epoch = epoch;
    }

    /// A change of the configuration named the next leader: no election (Java: `updateVote`,
    /// `updateServerState`). Returns what this server is then.
    pub fn designate(&mut self, leader: i64, zxid: i64) -> PeerState {
        self.looking = None;
        self.vote = Vote {
            leader,
            zxid,
            round: -1,
            peer_epoch: -1,
        };
        self.state = self.state_under(leader);
        self.state
    }

    /// The network knows that a server does not run (its host refuses connections), or has a new
    /// connection with it. One that goes down is not waited for.
    pub fn out_of_reach(&mut self, server: i64, gone: bool, now: Now, out: &mut Vec<Effect>) {
        if gone {
            self.out_of_reach.insert(server);
            return self.count(now, out);
        }
        self.out_of_reach.remove(&server);
        if self.round > 0 && server != self.me && self.is_voter(server) {
            self.send(server, out);
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        let looking = self.looking.as_ref()?;
        Some(match looking.decide_at {
            Some(at) => at.min(looking.send_at),
            None => looking.send_at,
        })
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Some(looking) = &mut self.looking else {
            return;
        };
        if looking.decide_at.is_some_and(|at| at <= now.mono_us) {
            return self.decide(self.vote, out);
        }
        if looking.send_at <= now.mono_us {
            let longest = self.settings.max_interval_ms * 1000;
            looking.interval_us = (looking.interval_us * 2).min(longest);
            looking.send_at = now.mono_us + looking.interval_us;
            self.send_all(out);
        }
    }

    pub fn notification(
        &mut self,
        from: i64,
        notification: &Notification,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if from == self.me {
            return;
        }
        self.out_of_reach.remove(&from);
        if let Some(newer) = self.newer_view(from, notification) {
            let restart = !newer.has_members_of(&self.view);
            out.push(Effect::Newer(newer));
            if restart {
                return;
            }
        }
        if !self.is_voter(from) {
            return self.answer_stranger(from, now, out);
        }
        self.heard.insert(from);
        let asks = notification.state == PeerState::Looking;
        if self.looking.is_none() {
            if asks {
                out.push(Effect::LooksAgain { server: from });
                self.send(from, out);
            }
            return;
        }
        if self.is_voter(notification.leader) {
            match notification.state {
                PeerState::Looking => self.other_looks(from, notification, now, out),
                PeerState::Following | PeerState::Leading => {
                    self.other_has_leader(from, notification, out);
                }
                PeerState::Observing => {}
            }
        }
        // One that votes for less has not seen this vote, or had a leader when it came (Java leaves
        // that one to the next interval).
        let theirs = Ballot::of(notification).vote;
        let behind = theirs.round < self.round
            || (theirs.round == self.round && self.vote.is_better_than(&theirs, &self.view));
        if asks && behind && self.looking.is_some() {
            self.send(from, out);
        }
    }

    fn other_looks(
        &mut self,
        from: i64,
        notification: &Notification,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(looking) = &mut self.looking else {
            return;
        };
        // -1: the files of that server could not be read
        if looking.basis.zxid == -1 || notification.zxid == -1 || notification.round < self.round {
            return;
        }
        let ballot = Ballot::of(notification);
        let ahead = ballot.vote.round > self.round;
        if ahead {
            self.round = ballot.vote.round;
            looking.received.clear();
            looking.own.round = self.round;
            self.vote = looking.own;
        }
        let better = ballot.vote.is_better_than(&self.vote, &self.view);
        if better {
            self.vote = ballot.vote;
        }
        looking.received.insert(from, ballot.without_version());
        if ahead || better {
            looking.decide_at = None;
            self.send_all(out);
        }
        self.count(now, out);
    }

    /// Joins a leader that a quorum follows. Votes of this round are also counted by themselves.
    fn other_has_leader(&mut self, from: i64, notification: &Notification, out: &mut Vec<Effect>) {
        let Some(looking) = &mut self.looking else {
            return;
        };
        let ballot = Ballot::of(notification);
        let same_round = ballot.vote.round == self.round;
        let before = looking.settled.insert(from, ballot);
        let news = before.is_none_or(|before| before.vote != ballot.vote);
        if same_round {
            looking.received.insert(from, ballot.without_version());
        }
        let Some(looking) = &self.looking else {
            return;
        };
        // Of two with an oracle, one that leads has the oracle's word or both votes.
        let of_two = self.has_oracle()
            && ballot.state == PeerState::Leading
            && ballot.vote.leader == from
            && from != self.me;
        let joins = of_two
            || (same_round && self.is_led(&looking.received, &ballot))
            || self.is_led(&looking.settled, &ballot);
        if joins {
            self.decide(ballot.vote, out);
        } else if news && ballot.state == PeerState::Leading && self.view.is_observer(self.me) {
            // Its followers tell an observer when that asks.
            self.send_all(out);
        }
    }

    /// Whether a quorum says that this server leads, and it says so itself: else the dead would be
    /// elected over and over.
    fn is_led(&self, ballots: &Ballots, like: &Ballot) -> bool {
        let leader = like.vote.leader;
        let ids = supporters(ballots, like);
        if leader == self.me {
            return like.vote.round == self.round && self.is_quorum(&ids);
        }
        // Of a configuration that was proposed here only they need know nothing: it may have been given
        // up, and nobody else can tell (Java waits for its quorum too, for ever). Whether this server
        // may follow is the leader's to decide.
        let leading = |ballot: &Ballot| ballot.state == PeerState::Leading;
        ballots.get(&leader).is_some_and(leading) && self.view.is_quorum(&ids)
    }

    /// Counts the votes for what this server votes for.
    fn count(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Some(looking) = &mut self.looking else {
            return;
        };
        let own = Ballot::looking(self.vote);
        if self.view.is_voter(self.me) || self.next.as_ref().is_some_and(|v| v.is_voter(self.me)) {
            looking.received.insert(self.me, own);
        }
        let agree = supporters(&looking.received, &own);
        let waits_since = looking.decide_at.take();
        let alone = self.has_oracle() && self.oracle == Some(true) && agree.contains(&self.me);
        if !alone && !self.is_quorum(&agree) {
            return;
        }
        // One that was never heard of is starting, likely; others would wait for it.
        let down = |id: &i64| self.out_of_reach.contains(id) && self.heard.contains(id);
        let settled = |id: &i64| agree.contains(id) || down(id);
        if self.voters().iter().all(settled) {
            return self.decide(self.vote, out);
        }
        let at = waits_since.unwrap_or(now.mono_us + self.settings.finalize_ms * 1000);
        if let Some(looking) = &mut self.looking {
            looking.decide_at = Some(at);
        }
    }

    fn decide(&mut self, vote: Vote, out: &mut Vec<Effect>) {
        self.looking = None;
        self.round = vote.round;
        self.vote = vote;
        self.state = self.state_under(vote.leader);
        out.push(Effect::Decided {
            vote,
            state: self.state,
        });
        if self.state != PeerState::Observing {
            self.send_all(out);
            self.tell_observers(out);
        }
    }

    /// Those that have asked find the leader now (Java: when they ask next, up to a minute later).
    fn tell_observers(&mut self, out: &mut Vec<Effect>) {
        for id in std::mem::take(&mut self.strangers).into_keys() {
            if self.view.is_observer(id) {
                self.send(id, out);
            }
        }
    }

    fn state_under(&self, leader: i64) -> PeerState {
        match leader == self.me {
            true => PeerState::Leading,
            false if self.view.is_observer(self.me) => PeerState::Observing,
            false => PeerState::Following,
        }
    }

    fn own_vote(&self, basis: Basis) -> Vote {
        let none = i64::MIN;
        let leader = if self.view.is_voter(self.me) {
            self.me
        } else {
            none
        };
        let (zxid, peer_epoch) = match self.view.is_observer(self.me) {
            true => (none, none),
            false => (basis.zxid, basis.epoch),
        };
        Vote {
            leader,
            zxid,
            round: self.round,
            peer_epoch,
        }
    }

    fn voters(&self) -> BTreeSet<i64> {
        let mut voters = self.view.voters().clone();
        voters.extend(self.next.iter().flat_map(View::voters));
        voters
    }

    fn is_voter(&self, id: i64) -> bool {
        self.view.is_voter(id) || self.next.as_ref().is_some_and(|next| next.is_voter(id))
    }

    /// An oracle decides which of the two servers goes on when they can't both.
    fn has_oracle(&self) -> bool {
        self.oracle.is_some() && self.next.is_none() && self.view.voters().len() == 2
    }

    /// A quorum of the active configuration, and of a newer one that is proposed.
    fn is_quorum(&self, ids: &BTreeSet<i64>) -> bool {
        let next = self.next.as_ref();
        let next = next.filter(|next| next.version() > self.view.version());
        self.view.is_quorum(ids) && next.is_none_or(|next| next.is_quorum(ids))
    }

    fn newer_view(&self, from: i64, notification: &Notification) -> Option<View> {
        let text = &notification.config;
        if !self.settings.reconfig || self.looking.is_none() || text.is_empty() {
            return None;
        }
        if text == self.view.text() {
            return None;
        }
        let source = format!("notification of server {from}");
        let view = View::parse(&source, text, self.settings.multi_address).ok()?;
        (view.version() > self.view.version()).then_some(view)
    }

    fn answer_stranger(&mut self, from: i64, now: Now, out: &mut Vec<Effect>) {
        let answer = Notification {
            round: self.round,
            ..self.own_notification()
        };
        if let Some((at, last)) = self.strangers.get(&from) {
            if *last == answer && now.mono_us < at + STRANGER_PAUSE_US {
                return;
            }
        }
        if self.strangers.len() >= STRANGERS {
            self.strangers.clear();
        }
        self.strangers.insert(from, (now.mono_us, answer.clone()));
        out.push(Effect::Notify {
            to: from,
            notification: answer,
        });
    }

    fn send_all(&self, out: &mut Vec<Effect>) {
        for to in self.voters() {
            if to != self.me {
                self.send(to, out);
            }
        }
    }

    fn send(&self, to: i64, out: &mut Vec<Effect>) {
        out.push(Effect::Notify {
            to,
            notification: self.own_notification(),
        });
    }

    fn own_notification(&self) -> Notification {
        Notification {
            state: self.state,
            leader: self.vote.leader,
            zxid: self.vote.zxid,
            round: self.vote.round,
            peer_epoch: self.vote.peer_epoch,
            version: Notification::VERSION,
            config: self.view.text().clone(),
        }
    }
}
