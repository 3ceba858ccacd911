//! The files of one server: orders come to its worker in their order, take their time, and fail as the
//! disk does; configurations have files of their own. What is done is looked at.

use zk_server::peer::PeerInput;
use zk_server::quorum::View;
use zk_server::store::epochs::Epoch;
use zk_server::store::orders::{DiskDone, DiskOrder};
use zk_server::store::txnlog::Synced;
use zk_server::store::{Beside, Job};

use super::facts::Seen;
use super::faults::Kind;
use super::history;
use super::plan::{MS, SECOND};
use super::world::{Event, World};

/// What the thread that owns the files is to do.
#[derive(Debug)]
pub enum Order {
    Disk(DiskOrder),
    /// a configuration comes into its file
    Configured {
        view: View,
        active: bool,
    },
}

/// Jobs wait until the world does them.
#[derive(Default)]
struct Later {
    jobs: Vec<Job>,
    done: Vec<DiskDone>,
}

impl Beside for Later {
    fn start(&mut self, job: Job) {
        self.jobs.push(job);
    }

    fn finish(&mut self) {
        for job in self.jobs.drain(..) {
            self.done.push(job.run().0);
        }
    }

    fn synced(&mut self, _: &Synced, _: u64, _: bool) {}
}

impl World {
    pub(super) fn order(&mut self, index: usize, order: Order) {
        if let Some(live) = &mut self.servers[index].live {
            live.orders.push(order);
        }
    }

    /// The disk takes all that waits, if it is free; configurations by themselves.
    pub(super) fn begin_disk(&mut self, index: usize) {
        let latency = 200 + self.rng.next_u64() % 3000 + self.servers[index].disk_us;
        let server = &mut self.servers[index];
        let life = server.life;
        let Some(live) = &mut server.live else {
            return;
        };
        if live.busy.is_some() || live.orders.is_empty() {
            return;
        }
        let config = |order: &Order| matches!(order, Order::Configured { .. });
        let end = match live.orders.iter().position(config) {
            None => live.orders.len(),
            Some(at) => at.max(1),
        };
        live.busy = Some(live.orders.drain(..end).collect());
        let at = self.now + latency;
        self.schedule(
            at,
            Event::Disk {
                server: index,
                life,
            },
        );
    }

    pub(super) fn disk(&mut self, index: usize, life: u64) {
        let server = &mut self.servers[index];
        let Some(live) = server.live.as_mut().filter(|_| server.life == life) else {
            return;
        };
        let Some(orders) = live.busy.take() else {
            return;
        };
        let mut later = Later::default();
        let mut done = Vec::new();
        let mut files = Vec::new();
        let mut logged = Vec::new();
        for order in orders {
            match order {
                Order::Disk(order) => {
                    if let DiskOrder::Append { zxid, .. } = &order {
                        logged.push(zxid.0);
                    }
                    files.push(order);
                }
                Order::Configured { view, active: true } => {
                    server.view = view;
                    server.seen = None;
                }
                Order::Configured { view, .. } => server.seen = Some(view),
            }
        }
        let result = live.worker.carry_out(files, &mut later, &mut done);
        self.look_at_configs(index, &logged);
        if result.is_ok() && !done.is_empty() {
            let unsynced = self.servers[index].disk.unsynced();
            let durable = unsynced.map_or(Ok(()), |path| {
                let path = path.display();
                Err(format!("{} says that {path} is durable", index + 1))
            });
            self.judge([(history::DONE_IS_DURABLE, durable)]);
        }
        done.extend(later.done);
        for done in &done {
            self.look_at_done(index, done);
        }
        if let Err(error) = result {
            self.say(|| format!("server {}: {error}", index + 1));
            self.disk_failed(index);
            return;
        }
        for done in done {
            let at = self.now + 1 + self.rng.next_u64() % 200;
            let at = self.servers[index].in_order(at);
            let input = PeerInput::Disk(done);
            self.schedule(
                at,
                Event::Input {
                    server: index,
                    life,
                    input,
                },
            );
        }
        for job in later.jobs {
            let at = self.now + MS + self.rng.next_u64() % (50 * MS);
            self.schedule(
                at,
                Event::Job {
                    server: index,
                    life,
                    job,
                },
            );
        }
        self.begin_disk(index);
    }

    pub(super) fn job(&mut self, index: usize, life: u64, job: Job) {
        if self.servers[index].life != life {
            return;
        }
        if matches!(job, Job::ReadLog { .. }) {
            self.coverage.happened("sync read from the log on disk");
        }
        let (done, result) = job.run();
        if let Err(error) = result {
            self.say(|| format!("server {}: {error}", index + 1));
            if !self.servers[index].disk.powered() {
                return self.disk_failed(index);
            }
        }
        let written = matches!(done, DiskDone::SnapshotDone { ok: true, .. });
        if self.plan.purges && written {
            self.purge(index);
        }
        self.input(index, life, PeerInput::Disk(done));
    }

    fn purge(&mut self, index: usize) {
        // Removals are few: a fault at a random moment does not hit one.
        if !self.healing && self.rng.chance(5) {
            let (n, process_only) = (1 + self.rng.below(3) as u64, self.rng.chance(50));
            let kind = match process_only {
                true => Kind::KillAtWrite,
                false => Kind::PowerCutAtWrite,
            };
            self.coverage.fault(kind.name());
            self.servers[index].fail_after(n, process_only);
        }
        let Some(live) = &self.servers[index].live else {
            return;
        };
        let mut removed = 0;
        let result = live.worker.store().purge(3, &mut |_| removed += 1);
        if removed > 0 {
            self.coverage.happened("files purged");
        }
        if result.is_err() && !self.servers[index].disk.powered() {
            self.disk_failed(index);
        }
    }

    /// A failed disk operation ends the process.
    fn disk_failed(&mut self, index: usize) {
        if self.servers[index].disk.has_refused() {
            self.coverage.happened("started after a failed sync");
        }
        let powered = self.servers[index].disk.powered();
        let keeps = powered || self.servers[index].keeps_files;
        self.down(index, keeps);
        self.servers[index].keeps_files = keeps;
        let at = self.now + 100 * MS + self.rng.next_u64() % (3 * SECOND);
        self.schedule(at, Event::Start { server: index });
    }

    /// A reconfiguration is in the log only where it is in a file.
    fn look_at_configs(&mut self, index: usize, logged: &[i64]) {
        for &zxid in logged {
            if !self.facts.configs.contains_key(&zxid) {
                continue;
            }
            let server = &self.servers[index];
            let seen = server.seen.as_ref().map_or(0, View::version);
            let known = server.view.version().max(seen);
            let judged = history::config_logged(server.id(), zxid, known);
            self.judge([judged]);
        }
    }

    /// What came to the disk is safe there.
    fn look_at_done(&mut self, index: usize, done: &DiskDone) {
        let id = index as i64 + 1;
        match done {
            DiskDone::Logged { zxid } | DiskDone::SnapshotSaved { zxid } => {
                let zxid = self.facts.real(zxid.0);
                self.facts.durable.insert(id, zxid);
            }
            DiskDone::EpochWritten {
                which: Epoch::Current,
                value,
            } => {
                let (epoch, zxid) = (*value, self.servers[index].owed);
                self.facts.epochs.insert(id, epoch);
                if self.servers[index].learns() {
                    self.see(Seen::EpochWritten {
                        node: id,
                        epoch,
                        zxid,
                    });
                }
            }
            DiskDone::Reloaded { database } => {
                self.coverage.happened("database read back");
                let to = self.facts.real(database.last_zxid().0);
                self.facts.durable.insert(id, to);
                if let Some(live) = &mut self.servers[index].live {
                    let from = std::mem::replace(&mut live.tail, to);
                    let owed = self.servers[index].owed;
                    self.see(Seen::Cut {
                        node: id,
                        from,
                        to,
                        owed,
                    });
                }
            }
            _ => {}
        }
    }
}
