//! From the election to the leader's epoch (Java: `Learner.connectToLeader`, `registerWithLeader`).

use proto::quorum::payload::{LearnerInfo, PROTOCOL_VERSION};
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::store::epochs::Epoch;
use crate::store::orders::DiskOrder;
use crate::units::LinkId;
use crate::units::Now;
use crate::zab::event::Event;
use crate::zab::io::{Effect, Port};

use crate::zab::settings::Settings;

use super::{FIRST_PAUSE_US, LINKS, Learner, Phase};

impl Learner {
    pub fn connected(&mut self, link: LinkId, now: Now, out: &mut Vec<Effect>) {
        if link != self.link || !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.heard_us = now.mono_us;
        self.phase = Phase::Registering;
        let kind = match self.role {
            Role::Participant => PacketType::FollowerInfo,
            Role::Observer => PacketType::ObserverInfo,
        };
        let info = LearnerInfo {
            server: Some(self.start.me),
            protocol: PROTOCOL_VERSION,
            config_version: Some(self.start.active.version()),
        };
        self.send(info.packet(kind, self.start.accepted_epoch), out);
    }

    /// Connects, an observer after a while: many of them would be too much for a leader at once.
    pub(super) fn begin(&mut self, now: Now, out: &mut Vec<Effect>) {
        let waits = self.role == Role::Observer && self.masters.is_empty();
        let longest = if waits {
            self.settings.reconnect_delay_ms
        } else {
            0
        };
        let Phase::Connecting {
            give_up_us,
            retry_us,
            ..
        } = &mut self.phase
        else {
            return;
        };
        if longest == 0 {
            return self.dial(out);
        }
        let wait = Settings::jitter_us(longest, self.start.me, now);
        *give_up_us += wait;
        *retry_us = Some(now.mono_us + wait);
    }

    /// Connects, for the n-th time.
    pub(super) fn dial(&mut self, out: &mut Vec<Effect>) {
        let Phase::Connecting {
            dials, retry_us, ..
        } = &mut self.phase
        else {
            return;
        };
        self.link = LinkId(self.first_link.0 + *dials);
        let (server, port) = match self.masters.len() as u64 {
            0 => (self.leader, Port::Quorum),
            masters => (self.masters[(*dials % masters) as usize], Port::Observers),
        };
        self.master = server;
        *dials += 1;
        *retry_us = None;
        out.push(Effect::Dial {
            link: self.link,
            server,
            port,
        });
    }

    /// The leader may not listen yet: it learns of its election when this server does.
    pub(super) fn dial_failed(&mut self, reason: &str, now: Now, out: &mut Vec<Effect>) {
        let leader = self.source();
        let Phase::Connecting {
            dials,
            give_up_us,
            retry_us,
        } = &mut self.phase
        else {
            return;
        };
        let whole = self.settings.connect_retry_ms * 1000;
        let pause = whole.min(FIRST_PAUSE_US << (*dials - 1).min(16));
        let mut retry = now.mono_us + pause;
        // As in Java: only when all have been tried.
        if !self.masters.is_empty() && *dials % self.masters.len() as u64 == 0 {
            let longest = self.settings.reconnect_delay_ms;
            retry += Settings::jitter_us(longest, self.start.me, now);
        }
        if *dials < LINKS && retry < *give_up_us {
            // A broken link may be told of twice.
            retry_us.get_or_insert(retry);
            self.unreachable = reason.to_owned();
            if pause == whole {
                out.push(Effect::Say(Event::LeaderUnreachable {
                    leader,
                    dials: *dials,
                    reason: reason.to_owned(),
                }));
            }
            return;
        }
        let dials = *dials;
        let master = self.master_name();
        let reason = format!("{master} can't be reached, {dials} tries: {reason}");
        self.finish(reason, out);
    }

    pub(super) fn leader_info(&mut self, packet: &QuorumPacket, now: Now, out: &mut Vec<Effect>) {
        if packet.kind == PacketType::NewLeader {
            let leader = self.master_name();
            return self.abandon(
                format!("{leader} is older than 3.4, which is not supported"),
                out,
            );
        }
        if packet.kind != PacketType::LeaderInfo {
            return self.unexpected(packet.kind, out);
        }
        let (epoch, accepted) = (packet.zxid >> 32, self.start.accepted_epoch);
        if epoch < accepted {
            let reason = format!("Leaders epoch, {epoch} is less than accepted epoch, {accepted}");
            return self.abandon(reason, out);
        }
        self.epoch = epoch;
        if epoch == accepted {
            self.registered(None, now, out);
        } else {
            self.phase = Phase::Accepting;
            out.push(Effect::Disk(DiskOrder::WriteEpoch {
                which: Epoch::Accepted,
                value: epoch,
            }));
        }
    }

    /// The new epoch is on disk: from here on no leader of an older one is followed.
    pub(super) fn epoch_accepted(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.start.accepted_epoch = self.epoch;
        self.registered(Some(self.start.current_epoch), now, out);
    }

    /// `current_epoch` is `None` when the epoch had been accepted before: that does not count for
    /// the leader a second time.
    fn registered(&mut self, current_epoch: Option<i64>, now: Now, out: &mut Vec<Effect>) {
        self.heard_us = now.mono_us;
        self.phase = Phase::Registered;
        self.send(
            QuorumPacket::ack_epoch(self.start.last_zxid, current_epoch),
            out,
        );
    }
}
