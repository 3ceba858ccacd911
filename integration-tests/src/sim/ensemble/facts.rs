//! What has happened in the ensemble, as somebody sees it who sees everything: every proposal with
//! the one before it, what was delivered where, what is on which disk. The invariants are about it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::zk::OpCode;
use zk_server::quorum::View;
use zk_server::tree::txn::{Body, Record};

use super::model::Model;

/// A transaction that a leader has broadcast.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// the last transaction of the leader's history before this one
    pub prev: i64,
    pub record: Bytes,
    /// of the tree after it, as its leader has computed it
    pub digest: Option<i64>,
    pub session: i64,
    pub cxid: i32,
    pub op: i32,
    pub leader: i64,
    /// the last transaction of its history, itself included, that was a reconfiguration; 0 for none
    pub config: i64,
}

/// Something that an invariant may have an opinion on.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    /// A leader broadcasts.
    Broadcast { node: i64, zxid: i64, prev: i64 },
    /// A learner takes a transaction into its log, after this other one.
    Accepted {
        node: i64,
        zxid: i64,
        prev: i64,
        same: bool,
    },
    /// A server that serves has applied everything up to `to`.
    Delivered {
        node: i64,
        from: i64,
        to: i64,
        digest: Option<i64>,
    },
    /// A leader serves: a quorum has its history, which ends at `zxid`.
    Established { node: i64, epoch: i64, zxid: i64 },
    /// A learner says that it has logged this.
    Acked { node: i64, zxid: i64 },
    /// A learner's disk has this as its `currentEpoch`; its leader's history ends at `zxid`.
    EpochWritten { node: i64, epoch: i64, zxid: i64 },
    /// A learner says that it has the leader's history, up to `zxid`, and its epoch.
    AckedLeader { node: i64, epoch: i64, zxid: i64 },
    /// No role: the database is what the files would give.
    Idle {
        node: i64,
        zxid: i64,
        logged: i64,
        digest: Option<i64>,
    },
    /// An ephemeral znode whose session is not in the same database; or none was found.
    Ephemerals {
        node: i64,
        zxid: i64,
        orphan: Option<i64>,
    },
    /// A server's history ended at `from`; what its files hold now ends at `to`. `owed`: the end of the
    /// history that its leader set out to give it.
    Cut {
        node: i64,
        from: i64,
        to: i64,
        owed: i64,
    },
    /// All faults are over and everything is quiet: this is the end of a server's history.
    Settled {
        node: i64,
        zxid: i64,
        digest: Option<i64>,
    },
}

#[derive(Debug, Default)]
pub struct Facts {
    pub proposals: BTreeMap<i64, Proposal>,
    /// the history that some server has delivered; ascending
    pub committed: Vec<i64>,
    /// who has established itself in an epoch
    pub leaders: BTreeMap<i64, BTreeSet<i64>>,
    /// end of the history that a leader begins its epoch with
    pub began: BTreeMap<i64, i64>,
    /// sessions that some leader has begun to close
    pub closing: BTreeSet<i64>,
    /// what is safe on each server's disk
    pub durable: BTreeMap<i64, i64>,
    /// `currentEpoch` on each server's disk
    pub epochs: BTreeMap<i64, i64>,
    /// the last write that a client was told of
    pub acknowledged: i64,
    /// the same by epoch
    pub acknowledged_in: BTreeMap<i64, i64>,
    pub model: Model,
    /// requests that are committed: session and number
    pub requests: BTreeSet<(i64, i32)>,
    /// one that was committed a second time
    pub repeated: Option<String>,
    /// by the transaction that proposed them; the first one by 0
    pub configs: BTreeMap<i64, View>,
    /// restores, and when the snapshot of each was taken
    pub restores: BTreeMap<i64, i64>,
    /// the last of them that is committed
    pub restored: i64,
}

impl Facts {
    /// Notes a new proposal; the error says why it can't be one.
    pub fn propose(
        &mut self,
        leader: i64,
        zxid: i64,
        prev: i64,
        record: &Bytes,
    ) -> Result<(), String> {
        let read = Record::read(record).map_err(|e| format!("0x{zxid:x} can't be read: {e}"))?;
        if read.header.zxid != zxid {
            return Err(format!("0x{zxid:x} calls itself 0x{:x}", read.header.zxid));
        }
        let mut config = self.config_of(prev);
        if let Body::SetData { data, .. } = &read.body {
            if read.header.op == OpCode::Reconfig.code() {
                let view = View::parse("a transaction", data.unwrap_or_default(), true);
                let view = view.map_err(|e| format!("configuration of 0x{zxid:x}: {e}"))?;
                self.configs.insert(zxid, view);
                config = zxid;
            }
        }
        let proposal = Proposal {
            config,
            prev,
            digest: read.digest.map(|digest| digest.tree_digest),
            session: read.header.client_id,
            cxid: read.header.cxid,
            op: read.header.op,
            leader,
            record: record.clone(),
        };
        if proposal.op == OpCode::CloseSession.code() {
            self.closing.insert(proposal.session);
        }
        match self.proposals.insert(zxid, proposal) {
            None => Ok(()),
            Some(old) => Err(format!("0x{zxid:x} was proposed by {} before", old.leader)),
        }
    }

    /// Notes that a leader brings a snapshot that was taken at `taken`.
    pub fn restore(
        &mut self,
        leader: i64,
        zxid: i64,
        prev: i64,
        taken: i64,
        digest: Option<i64>,
    ) -> Result<(), String> {
        let proposal = Proposal {
            prev,
            record: Bytes::new(),
            digest,
            session: 0,
            cxid: 0,
            op: 0,
            leader,
            config: self.config_of(prev),
        };
        self.restores.insert(zxid, self.real(taken));
        match self.proposals.insert(zxid, proposal) {
            None => Ok(()),
            Some(old) => Err(format!("0x{zxid:x} was given by {} before", old.leader)),
        }
    }

    /// A server may call the end of its history by the epoch that began there.
    pub fn real(&self, zxid: i64) -> i64 {
        let mut zxid = zxid;
        while zxid & 0xffff_ffff == 0 && zxid > 0 {
            match self.began.get(&(zxid >> 32)) {
                Some(&end) if end < zxid => zxid = end,
                _ => return zxid,
            }
        }
        zxid
    }

    /// Which reconfiguration is the last of the history that ends at `zxid`.
    pub fn config_of(&self, zxid: i64) -> i64 {
        self.proposals.get(&zxid).map_or(0, |p| p.config)
    }

    /// The configuration that is committed.
    pub fn active(&self) -> &View {
        &self.configs[&self.config_of(self.last_committed())]
    }

    /// The last transaction that two histories have in common.
    pub fn shared(&self, one: i64, other: i64) -> Option<i64> {
        let mut at = one;
        while !self.holds(other, at) {
            // The log of whoever got a snapshot may end before what that one took the place of.
            if self.restores.contains_key(&at) {
                return None;
            }
            at = self.proposals.get(&at)?.prev;
        }
        Some(at)
    }

    pub fn last_committed(&self) -> i64 {
        self.committed.last().copied().unwrap_or(0)
    }

    /// Of the epochs before this one.
    pub fn last_committed_before(&self, epoch: i64) -> i64 {
        let n = self.committed.partition_point(|&zxid| zxid >> 32 < epoch);
        n.checked_sub(1).map_or(0, |last| self.committed[last])
    }

    pub fn is_committed(&self, zxid: i64) -> bool {
        zxid == 0 || self.committed.binary_search(&zxid).is_ok()
    }

    /// Follows a history back from `zxid` to the first transaction that is committed; what lies
    /// between, newest first. An error when it never gets to the end of what is committed.
    pub fn beyond(&self, zxid: i64) -> Result<Vec<i64>, String> {
        let last = self.last_committed();
        let (mut at, mut path) = (zxid, Vec::new());
        while at > last {
            path.push(at);
            at = self
                .proposals
                .get(&at)
                .map(|p| p.prev)
                .ok_or_else(|| format!("nobody has proposed 0x{at:x}"))?;
        }
        if at == last {
            Ok(path)
        } else {
            Err(format!(
                "the history of 0x{zxid:x} leaves what is committed (up to 0x{last:x}) after 0x{at:x}"
            ))
        }
    }

    /// Whether the history that ends at `zxid` holds `earlier`.
    pub fn holds(&self, zxid: i64, earlier: i64) -> bool {
        let mut at = zxid;
        while at > earlier {
            if self.is_committed(at) && self.is_committed(earlier) {
                return true;
            }
            match self.proposals.get(&at) {
                Some(proposal) => at = proposal.prev,
                None => return false,
            }
        }
        at == earlier
    }

    /// Takes what was delivered for the first time into the committed history, and tells what that was.
    pub fn commit(&mut self, zxid: i64) -> Result<Vec<i64>, String> {
        if zxid <= self.last_committed() {
            return Ok(Vec::new());
        }
        let mut path = self.beyond(zxid)?;
        path.reverse();
        for &zxid in &path {
            self.committed.push(zxid);
            if let Some(&taken) = self.restores.get(&zxid) {
                self.model.restore(zxid, taken);
                self.restored = zxid;
                // Sessions that were made since are undone, and their ids may be given again.
                self.requests.clear();
            } else if let Some(proposal) = self.proposals.get(&zxid) {
                let (session, cxid) = (proposal.session, proposal.cxid);
                // What servers do by themselves has no number.
                if cxid > 0 && !self.requests.insert((session, cxid)) {
                    self.repeated = Some(format!(
                        "request {cxid} of session 0x{session:x} is committed again at 0x{zxid:x}"
                    ));
                }
                self.model.apply(&proposal.record)?;
            }
        }
        Ok(path)
    }

    /// Voters whose disks hold the history that ends at `zxid`.
    pub fn holders(&self, zxid: i64) -> BTreeSet<i64> {
        let held = self
            .durable
            .iter()
            .filter(|&(_, &end)| self.holds(end, zxid));
        held.map(|(&node, _)| node).collect()
    }
}
