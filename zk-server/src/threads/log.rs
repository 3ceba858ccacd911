//! The log thread: takes all orders that wait, carries them out with as few syncs as they allow, and
//! tells the core (Java: `SyncRequestProcessor`). It owns the files. A failed write or sync stops the
//! process: nothing is certain after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driver::metrics::Summary;
use tokio::sync::oneshot;

use crate::config::DynamicFiles;
use crate::quorum::View;
use crate::store::image::Image;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::store::snapshot::Written;
use crate::store::txnlog::Synced;
use crate::store::{Beside, DiskFile, Job, Snapshots, StoreError, Worker};
use crate::units::Zxid;

use super::core::Core;

/// What the log thread is asked to do, in order.
#[derive(Debug)]
enum Order {
    Disk(DiskOrder),
    /// The configuration of the ensemble has changed: its files do, before what is ordered later.
    Configured {
        view: View,
        active: bool,
    },
    /// Write a snapshot for an operator.
    Snapshot(Image, Taker),
    /// Remove old snapshots and logs.
    Purge,
}

/// Where an operator's snapshot lies, open for reading.
#[derive(Debug)]
pub struct Taken {
    pub zxid: Zxid,
    pub bytes: u64,
    pub file: Box<dyn DiskFile>,
}

type Taker = oneshot::Sender<Result<Taken, StoreError>>;

/// Orders on their way to the log thread. Its length is bounded by the core, which stops reading
/// from clients when too many requests are outstanding.
#[derive(Debug, Default)]
pub struct LogQueue {
    orders: Mutex<Orders>,
    came: Condvar,
    stop: AtomicBool,
    figures: Mutex<LogFigures>,
}

#[derive(Debug, Default)]
struct Orders {
    waiting: Vec<Order>,
    /// the thread has nothing to do and must be woken: a wake costs a system call, also when nobody
    /// hears it
    idle: bool,
}

/// What is known about the files; for metrics.
#[derive(Debug, Clone, Default)]
pub struct LogFigures {
    pub fsync_ms: Summary,
    pub batch_size: Summary,
    pub snapshot_ms: Summary,
    pub slow_syncs: u64,
    /// zxid and end (seconds since 1970) of the last snapshot
    pub last_snapshot: Option<(Zxid, i64)>,
    pub snapshot_errors: u64,
}

impl LogFigures {
    /// Counters back to zero; the last snapshot stays known.
    pub fn reset(&mut self) {
        *self = Self {
            last_snapshot: self.last_snapshot,
            ..Self::default()
        };
    }
}

impl LogQueue {
    /// Queues a record; [`Self::wake`] follows when the caller has let go of its own lock.
    pub fn append(&self, zxid: Zxid, record: Bytes) {
        self.disk(DiskOrder::Append { zxid, record });
    }

    /// Queues an order; [`Self::wake`] follows.
    pub fn disk(&self, order: DiskOrder) {
        self.push(Order::Disk(order));
    }

    /// Queues a new configuration; [`Self::wake`] follows.
    pub fn configured(&self, view: View, active: bool) {
        self.push(Order::Configured { view, active });
    }

    pub fn snapshot(&self, image: Image) {
        self.disk(DiskOrder::Snapshot(image));
        self.wake();
    }

    /// Writes a snapshot for an operator, as soon as no other one is being written.
    pub fn take_snapshot(&self, image: Image) -> oneshot::Receiver<Result<Taken, StoreError>> {
        let (tell, told) = oneshot::channel();
        self.push(Order::Snapshot(image, tell));
        self.wake();
        told
    }

    /// Removes old snapshots and logs when the thread is free.
    pub fn purge(&self) {
        self.push(Order::Purge);
        self.wake();
    }

    /// Lets the log thread look at what is queued.
    pub fn wake(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        if idle {
            self.came.notify_one();
        }
    }

    pub fn figures(&self) -> MutexGuard<'_, LogFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, order: Order) {
        self.lock().waiting.push(order);
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves all orders into `batch`; false when there are none and none will come.
    fn take(&self, batch: &mut Vec<Order>) -> bool {
        let mut orders = self.lock();
        while orders.waiting.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            orders.idle = true;
            orders = self
                .came
                .wait(orders)
                .unwrap_or_else(PoisonError::into_inner);
        }
        orders.idle = false;
        std::mem::swap(&mut orders.waiting, batch);
        true
    }
}

/// The running thread.
#[derive(Debug)]
pub struct LogThread {
    queue: Arc<LogQueue>,
    thread: JoinHandle<()>,
}

/// What the thread needs beside the files.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// where a changed configuration of the ensemble is written
    pub dynamic: Option<DynamicFiles>,
    /// `autopurge.snapRetainCount`
    pub retain: usize,
}

impl LogThread {
    pub fn start(
        worker: Worker,
        core: Arc<Core>,
        queue: Arc<LogQueue>,
        settings: LogSettings,
    ) -> std::io::Result<Self> {
        let files = Files {
            worker,
            settings,
            orders: Vec::new(),
            beside: Threads {
                core,
                queue: queue.clone(),
                running: Vec::new(),
            },
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || files.run())?;
        Ok(Self { queue, thread })
    }

    /// Writes and syncs what is queued, then ends the thread.
    pub fn stop(self) {
        self.queue.stop.store(true, Ordering::Relaxed);
        // Under the lock, so that the thread is either before its check or already waiting.
        drop(self.queue.lock());
        self.queue.came.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the log thread ended by a panic");
        }
    }
}

struct Files {
    worker: Worker,
    settings: LogSettings,
    beside: Threads,
    /// kept for its capacity
    orders: Vec<DiskOrder>,
}

impl Files {
    fn run(mut self) {
        let (mut batch, mut done) = (Vec::new(), Vec::new());
        while self.beside.queue.clone().take(&mut batch) {
            if let Err(error) = self.carry_out(&mut batch, &mut done) {
                fatal(&error);
            }
        }
        self.beside.finish();
        if let Err(error) = self.worker.close() {
            fatal(&error);
        }
    }

    fn carry_out(
        &mut self,
        batch: &mut Vec<Order>,
        done: &mut Vec<DiskDone>,
    ) -> Result<(), StoreError> {
        let mut purge = false;
        for order in batch.drain(..) {
            match order {
                Order::Disk(order) => self.orders.push(order),
                Order::Configured { view, active } => {
                    self.write(done)?;
                    self.configured(&view, active);
                }
                Order::Snapshot(image, taker) => {
                    self.write(done)?;
                    let snapshots = self.worker.store().snapshots().clone();
                    let job = Job::Snapshot { snapshots, image };
                    self.beside.begin(job, Some(taker));
                }
                Order::Purge => purge = true,
            }
        }
        self.write(done)?;
        if purge {
            self.purge();
        }
        Ok(())
    }

    fn write(&mut self, done: &mut Vec<DiskDone>) -> Result<(), StoreError> {
        let orders = self.orders.drain(..);
        let result = self.worker.carry_out(orders, &mut self.beside, done);
        // What is durable is durable, even when a later order has failed.
        self.beside.core.disk(done.drain(..));
        result
    }

    fn configured(&self, view: &View, active: bool) {
        let Some(files) = &self.settings.dynamic else {
            return;
        };
        let written = if active {
            files.activated(view.config())
        } else {
            files.seen(view.config())
        };
        match written {
            Ok(()) if active => tracing::info!(
                "The configuration of version {:x} is in use: its file is beside zoo.cfg",
                view.version()
            ),
            Ok(()) => {}
            Err(error) => tracing::error!(
                "Error writing the dynamic config file of version {:x}: {error}: make the folder of \
                 zoo.cfg writable for this server, or the next start uses the old configuration",
                view.version()
            ),
        }
    }

    fn purge(&self) {
        tracing::info!("Purge task started.");
        let mut removing = |file: &crate::store::names::Named| {
            tracing::info!("Removing file: {}", file.path.display());
        };
        let store = self.worker.store();
        if let Err(error) = store.purge(self.settings.retain, &mut removing) {
            tracing::error!("Error occurred while purging: {error}");
        }
        tracing::info!("Purge task completed.");
    }
}

/// Jobs run on threads of their own: one snapshot at a time.
struct Threads {
    core: Arc<Core>,
    queue: Arc<LogQueue>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    fn begin(&mut self, job: Job, taker: Option<Taker>) {
        self.running.retain(|job| !job.is_finished());
        // A snapshot's thread waits for the others, so that whoever waits for it waits for all.
        let before = match job {
            Job::Snapshot { .. } => std::mem::take(&mut self.running),
            Job::ReadLog { .. } => Vec::new(),
        };
        let (core, queue) = (self.core.clone(), self.queue.clone());
        let failed = job.failed();
        let started = std::thread::Builder::new()
            .name("snap".to_owned())
            .spawn(move || {
                join(before);
                run_job(job, taker, &core, &queue);
            });
        match started {
            Ok(thread) => self.running.push(thread),
            Err(error) => {
                tracing::error!("cannot start a thread for a snapshot: {error}");
                self.core.disk([failed]);
            }
        }
    }
}

impl Beside for Threads {
    fn start(&mut self, job: Job) {
        self.begin(job, None);
    }

    fn finish(&mut self) {
        join(std::mem::take(&mut self.running));
    }

    fn synced(&mut self, sync: &Synced, records: u64, slow: bool) {
        {
            let mut figures = self.queue.figures();
            figures.fsync_ms.record(millis(sync.elapsed));
            figures.batch_size.record(records);
            figures.slow_syncs += u64::from(slow);
        }
        if slow {
            tracing::warn!(
                "fsync-ing the write ahead log in {} took {}ms which will adversely effect \
                 operation latency. {} bytes were synced. See the ZooKeeper troubleshooting guide",
                std::thread::current().name().unwrap_or("log"),
                sync.elapsed.as_millis(),
                sync.bytes
            );
        }
    }
}

fn join(jobs: Vec<JoinHandle<()>>) {
    for job in jobs {
        if job.join().is_err() {
            tracing::error!("a thread beside the log thread ended by a panic");
        }
    }
}

fn run_job(job: Job, taker: Option<Taker>, core: &Core, queue: &LogQueue) {
    let begun = Instant::now();
    if let Job::Snapshot { image, .. } = &job {
        tracing::info!("Snapshotting: 0x{:x}", image.0.zxid().0);
    }
    let wanted = taker.as_ref().and_then(|_| job.snapshots());
    let (done, result) = job.run();
    let result = match (taker, wanted, result) {
        (Some(taker), Some(snapshots), result) => {
            return give(taker, &snapshots, result, begun, queue);
        }
        (.., result) => result,
    };
    match result {
        Ok(None) => {}
        Ok(Some(written)) => {
            note_snapshot(&written, begun, queue);
        }
        Err(error) => {
            if matches!(done, DiskDone::SnapshotDone { .. }) {
                queue.figures().snapshot_errors += 1;
                tracing::error!(
                    "The snapshot failed; the log keeps everything and the next one is tried later: \
                     {error}"
                );
            } else {
                tracing::warn!("The log cannot be read for a learner, it gets a snapshot: {error}");
            }
        }
    }
    core.disk([done]);
}

/// Hands an operator's snapshot over; the core has not asked for it and hears nothing of it.
fn give(
    taker: Taker,
    snapshots: &Snapshots,
    result: Result<Option<Written>, StoreError>,
    begun: Instant,
    queue: &LogQueue,
) {
    let taken = result.and_then(|written| match written {
        Some(written) => {
            note_snapshot(&written, begun, queue);
            let file = snapshots.open(&written)?;
            let bytes = file.size().map_err(StoreError::io("read", &written.path))?;
            Ok(Taken {
                zxid: written.zxid,
                bytes,
                file,
            })
        }
        None => Err(StoreError::Datadir("nothing was written".to_owned())),
    });
    // Nobody waits any more when the operator has gone.
    let _ = taker.send(taken);
}

fn note_snapshot(written: &Written, begun: Instant, queue: &LogQueue) {
    {
        let mut figures = queue.figures();
        figures.snapshot_ms.record(millis(begun.elapsed()));
        figures.last_snapshot = Some((written.zxid, super::clock::wall_ms() / 1000));
    }
    tracing::info!(
        "Snapshot {} taken in {} ms",
        written.path.display(),
        begun.elapsed().as_millis()
    );
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Ends the process at once: what was not synced was not acknowledged.
fn fatal(error: &StoreError) -> ! {
    tracing::error!(
        target: driver::logging::STARTUP,
        "The transaction log cannot be written, stopping: {error}. Free the disk or replace it, then \
         start again; nothing that was acknowledged is lost"
    );
    std::process::exit(1);
}
