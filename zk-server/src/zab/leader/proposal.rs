//! Proposals that no quorum has logged yet (Java: `Leader.Proposal`, `outstandingProposals`).

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use crate::quorum::View;

use super::quorum::Views;

#[derive(Debug)]
pub(super) struct Proposal {
    pub zxid: i64,
    pub record: Bytes,
    /// a quorum of these has to log it
    pub views: Views,
    pub acks: BTreeSet<i64>,
    /// the configuration that it brings
    pub config: Option<View>,
}

impl Proposal {
    /// Session, cxid and zxid stand before the time.
    fn made_ms(&self) -> Option<i64> {
        let time = self.record.get(20..28)?.try_into().ok()?;
        Some(i64::from_be_bytes(time))
    }

    pub(super) fn packet(&self) -> QuorumPacket {
        QuorumPacket::with(PacketType::Proposal, self.zxid, self.record.clone())
    }
}

/// In order and without holes: a leader gives zxids one by one.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    proposals: VecDeque<Proposal>,
    /// up to this zxid this server has logged them
    logged: i64,
}

impl Outstanding {
    pub(super) fn push(&mut self, proposal: Proposal) {
        self.proposals.push_back(proposal);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.proposals.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.proposals.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.iter()
    }

    /// False when there is no such proposal.
    pub(super) fn acknowledge(&mut self, server: i64, zxid: i64) -> bool {
        let found = self
            .index_of(zxid)
            .and_then(|at| self.proposals.get_mut(at));
        found.is_some_and(|proposal| proposal.acks.insert(server))
    }

    /// When it was made, in milliseconds since 1970.
    pub(super) fn made_ms(&self, zxid: i64) -> Option<i64> {
        self.proposals.get(self.index_of(zxid)?)?.made_ms()
    }

    /// Those up to `zxid` that this server had not logged yet, and when they were made.
    pub(super) fn not_logged(&self, zxid: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let from = self.index_of(self.logged + 1).unwrap_or(0);
        let rest = self.proposals.iter().skip(from);
        rest.take_while(move |proposal| proposal.zxid <= zxid)
            .filter_map(|proposal| Some((proposal.zxid, proposal.made_ms()?)))
    }

    /// This server has logged everything up to `zxid`.
    pub(super) fn logged(&mut self, me: i64, zxid: i64) {
        let from = self.index_of(self.logged + 1).unwrap_or(0);
        for proposal in self.proposals.iter_mut().skip(from) {
            if proposal.zxid > zxid {
                break;
            }
            proposal.acks.insert(me);
        }
        self.logged = self.logged.max(zxid);
    }

    /// What a server acknowledged before it was synchronised anew says nothing about its log now.
    pub(super) fn withdraw(&mut self, server: i64) {
        for proposal in &mut self.proposals {
            proposal.acks.remove(&server);
        }
    }

    /// The oldest one, when a quorum has logged it, or `alone`, who is enough.
    pub(super) fn pop_committed(&mut self, alone: Option<i64>) -> Option<Proposal> {
        let oldest = self.proposals.front()?;
        let enough = alone.is_some_and(|id| oldest.acks.contains(&id));
        if enough || oldest.views.have_quorum(&oldest.acks) {
            self.proposals.pop_front()
        } else {
            None
        }
    }

    fn index_of(&self, zxid: i64) -> Option<usize> {
        let first = self.proposals.front()?.zxid;
        let at = usize::try_from(zxid.checked_sub(first)?).ok()?;
        (at < self.proposals.len()).then_some(at)
    }
}
