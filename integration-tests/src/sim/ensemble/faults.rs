//! What goes wrong: kinds of faults, how long they last, and what each does to the world.

use std::path::Path;

use crate::rng::Rng;

use super::plan::{MS, SECOND};
use super::world::{Event, World};

macro_rules! kinds {
    ($($(#[$m:meta])* $name:ident = $text:literal),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$m])* $name),* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

kinds! {
    /// the process ends, its files stay as they are
    Kill = "kill",
    PowerCut = "power cut",
    /// at the n-th write, sync or rename from now
    PowerCutAtWrite = "power cut at a write",
    /// the process ends at the n-th of them, and the machine goes on
    KillAtWrite = "kill at a write",
    CrashAll = "power cut of all",
    BitFlip = "bit flip",
    DiskFull = "disk full",
    FailedSync = "failed sync",
    SlowDisk = "slow disk",
    Pause = "pause",
    ClockJump = "clock jump",
    Partition = "partition",
    OneWay = "one-way partition",
    LeaderCut = "leader cut off",
    LinkLoss = "link loss",
    ElectionLoss = "election messages lost",
    Delay = "delay",
    ClientCut = "client cut off",
    ClientSilent = "client silent",
    Reconfigured = "restart with another configuration",
    /// by a client's `reconfig`
    Members = "members change",
    /// an operator keeps a snapshot, and restores the one that was kept before
    Restore = "restore",
}

/// What goes wrong at any time; a plan has restores or not.
const RANDOM: &[Kind] = Kind::ALL.split_at(Kind::ALL.len() - 1).0;

/// One fault: what, to whom, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub kind: Kind,
    /// chooses the server, the link, the client
    pub pick: u64,
    pub lasts: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Planned {
    pub at: u64,
    pub fault: Fault,
}

impl Fault {
    pub fn random(rng: &mut Rng, reconfig: bool) -> Self {
        let lasts = match rng.below(3) {
            0 => 50 * MS + rng.next_u64() % (300 * MS),
            1 => 300 * MS + rng.next_u64() % (2 * SECOND),
            _ => SECOND + rng.next_u64() % (7 * SECOND),
        };
        let mut kind = *rng.pick(RANDOM);
        // The operator of a dynamic ensemble is a busy one.
        if reconfig && rng.chance(15) {
            kind = Kind::Members;
        } else if !reconfig && kind == Kind::Members {
            kind = Kind::Reconfigured;
        }
        Self {
            kind,
            pick: rng.next_u64(),
            lasts,
        }
    }
}

impl World {
    /// A fault begins.
    pub(super) fn inject(&mut self, fault: Fault) {
        let n = self.servers.len();
        let mut rng = Rng::new(fault.pick);
        let one = rng.below(n);
        let until = self.now + fault.lasts;
        self.coverage.fault(fault.kind.name());
        match fault.kind {
            Kind::Kill => {
                self.kill(one);
                self.schedule(until, Event::Start { server: one });
            }
            Kind::PowerCut => {
                self.power_cut(one);
                self.schedule(until, Event::Start { server: one });
            }
            Kind::CrashAll => {
                for server in 0..n {
                    self.power_cut(server);
                    let at = self.now + 50 * MS + rng.next_u64() % (SECOND);
                    self.schedule(at, Event::Start { server });
                }
            }
            Kind::PowerCutAtWrite | Kind::KillAtWrite => {
                let n = 1 + rng.below(12) as u64;
                self.servers[one].fail_after(n, fault.kind == Kind::KillAtWrite);
            }
            Kind::BitFlip => self.flip(one, &mut rng),
            Kind::DiskFull => {
                let disk = &self.servers[one].disk;
                disk.set_capacity(Some(disk.used() + rng.below(3000) as u64));
                self.schedule(until, Event::DiskRoom { server: one });
            }
            Kind::FailedSync => self.servers[one].disk.fail_syncs(1),
            Kind::SlowDisk => {
                self.servers[one].disk_us = 50 * MS + rng.next_u64() % (900 * MS);
                self.schedule(until, Event::DiskFast { server: one });
            }
            Kind::Pause => {
                let server = &mut self.servers[one];
                server.paused_until = server.paused_until.max(until);
                self.schedule(until, Event::Resume { server: one });
            }
            Kind::ClockJump => {
                let jump = rng.below(7_200_000) as i64 - 3_600_000;
                self.servers[one].wall_offset_ms += jump;
            }
            Kind::Partition => {
                let side: Vec<bool> = (0..n).map(|_| rng.chance(50)).collect();
                let cut = |a: usize, b: usize| side[a] != side[b];
                self.block(cut, until);
            }
            Kind::OneWay => {
                let all = rng.chance(50);
                let other = (one + 1 + rng.below(n - 1)) % n;
                self.block(|a, b| a == one && (b == other || all), until);
            }
            Kind::LeaderCut => {
                let leader = self.leader().unwrap_or(one);
                self.block(|a, b| a == leader || b == leader, until);
            }
            Kind::LinkLoss => self.break_links(&mut rng),
            Kind::ElectionLoss => {
                self.election_loss = 20 + rng.below(70);
                self.schedule(until, Event::ElectionCalm);
            }
            Kind::Delay => {
                self.slowness = 5 + rng.next_u64() % 100;
                self.schedule(until, Event::NetFast);
            }
            Kind::ClientCut => {
                let client = rng.below(self.clients.len());
                self.cut_client(client);
            }
            Kind::ClientSilent => {
                let client = rng.below(self.clients.len());
                self.clients[client].silent_until = until;
            }
            Kind::Reconfigured => {
                self.kill(one);
                let server = &mut self.servers[one];
                server.snap_count = *rng.pick(&[5, 50, 10_000]);
                server.commit_log_count = *rng.pick(&[1, 20, 500]);
                server.sync_limit = 2 + rng.below(6) as u64;
                self.schedule(until, Event::Start { server: one });
            }
            Kind::Members => self.change_members(&mut rng),
            Kind::Restore => self.keep_and_restore(),
        }
    }
}

impl World {
    /// A bit of an old log or a snapshot changes on the medium. Of the newest log nothing is touched: at
    /// its end nobody can tell a changed bit from a write that did not get through.
    fn flip(&mut self, index: usize, rng: &mut Rng) {
        // More damaged servers than one are more than an ensemble of three survives.
        if self.servers.iter().any(|server| server.damaged) {
            return;
        }
        let view = self.facts.active();
        let id = index as i64 + 1;
        let others = view.voters().iter().copied().filter(|&other| other != id);
        if view.server(id).is_none() || !view.is_quorum(&others.collect()) {
            return;
        }
        let server = &mut self.servers[index];
        let mut files = server.disk.files();
        let newest = files.iter().filter_map(|(path, _)| log_zxid(path)).max();
        files.retain(|(path, len)| {
            let log = log_zxid(path);
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            *len > 0 && (log.is_some() && log != newest || name.starts_with("snapshot."))
        });
        if files.is_empty() {
            return;
        }
        let (path, len) = rng.pick(&files).clone();
        server
            .disk
            .flip_bit(&path, rng.below(len), rng.below(8) as u8);
        server.damaged = true;
    }
}

fn log_zxid(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str()?;
    i64::from_str_radix(name.strip_prefix("log.")?, 16).ok()
}
