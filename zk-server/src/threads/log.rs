//! The log thread: takes all records that wait, writes them, syncs once, and tells the core (Java:
//! `SyncRequestProcessor`). It owns the [`Store`]. A failed write or sync stops the process: nothing
//! is certain after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driver::metrics::Summary;

use crate::core::io::{Input, Zxid};
use crate::store::image::Image;
use crate::store::{Snapshots, Store, StoreError};

use super::core::Core;

/// What the log thread is asked to do, in order.
#[derive(Debug)]
enum Order {
    Append { zxid: Zxid, record: Bytes },
    Roll,
    Snapshot(Image),
    Purge,
}

/// Orders on their way to the log thread. Its length is bounded by the core, which stops reading
/// from clients when too many requests are outstanding.
#[derive(Debug, Default)]
pub struct LogQueue {
    orders: Mutex<Vec<Order>>,
    came: Condvar,
    stop: AtomicBool,
    figures: Mutex<LogFigures>,
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
        self.push(Order::Append { zxid, record });
    }

    pub fn roll(&self) {
        self.push(Order::Roll);
    }

    pub fn snapshot(&self, image: Image) {
        self.push(Order::Snapshot(image));
        self.wake();
    }

    /// Removes old snapshots and logs when the thread is free.
    pub fn purge(&self) {
        self.push(Order::Purge);
        self.wake();
    }

    /// Lets the log thread look at what is queued.
    pub fn wake(&self) {
        self.came.notify_one();
    }

    pub fn figures(&self) -> MutexGuard<'_, LogFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, order: Order) {
        self.lock().push(order);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves all orders into `batch`; false when there are none and none will come.
    fn take(&self, batch: &mut Vec<Order>) -> bool {
        let mut orders = self.lock();
        while orders.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            orders = self
                .came
                .wait(orders)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut *orders, batch);
        true
    }
}

/// The running thread.
#[derive(Debug)]
pub struct LogThread {
    queue: Arc<LogQueue>,
    thread: JoinHandle<()>,
}

/// What the thread needs beside the store.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// `autopurge.snapRetainCount`
    pub retain: usize,
}

impl LogThread {
    pub fn start(
        store: Store,
        core: Arc<Core>,
        queue: Arc<LogQueue>,
        settings: LogSettings,
    ) -> std::io::Result<Self> {
        let worker = Worker {
            store,
            core,
            queue: queue.clone(),
            settings,
            snapshot: None,
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || worker.run())?;
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

struct Worker {
    store: Store,
    core: Arc<Core>,
    queue: Arc<LogQueue>,
    settings: LogSettings,
    snapshot: Option<JoinHandle<()>>,
}

impl Worker {
    fn run(mut self) {
        let mut batch = Vec::new();
        while self.queue.take(&mut batch) {
            if let Err(error) = self.carry_out(&mut batch) {
                fatal(&error);
            }
        }
        if let Some(snapshot) = self.snapshot.take() {
            let _ = snapshot.join();
        }
        if let Err(error) = self.store.close() {
            fatal(&error);
        }
    }

    fn carry_out(&mut self, batch: &mut Vec<Order>) -> Result<(), StoreError> {
        let mut last = None;
        let mut records = 0;
        for order in batch.drain(..) {
            match order {
                Order::Append { zxid, record } => {
                    self.store.append(zxid, &record)?;
                    last = Some(zxid);
                    records += 1;
                }
                Order::Roll => self.store.roll()?,
                Order::Snapshot(image) => self.write_snapshot(image),
                Order::Purge => self.purge(),
            }
        }
        let Some(zxid) = last else {
            return Ok(());
        };
        let done = self.store.sync()?;
        self.core.feed(Input::Logged { zxid });
        let slow = self.store.was_slow(&done);
        {
            let mut figures = self.queue.figures();
            figures.fsync_ms.record(millis(done.elapsed));
            figures.batch_size.record(records);
            figures.slow_syncs += u64::from(slow);
        }
        if slow {
            tracing::warn!(
                "fsync-ing the write ahead log in {} took {}ms which will adversely effect \
                 operation latency. {} bytes were synced. See the ZooKeeper troubleshooting guide",
                std::thread::current().name().unwrap_or("log"),
                done.elapsed.as_millis(),
                done.bytes
            );
        }
        Ok(())
    }

    /// Writes beside this thread, one at a time.
    fn write_snapshot(&mut self, image: Image) {
        if let Some(running) = self.snapshot.take() {
            let _ = running.join();
        }
        let (core, queue) = (self.core.clone(), self.queue.clone());
        let snapshots = self.store.snapshots().clone();
        let zxid = image.0.zxid();
        let writing = std::thread::Builder::new()
            .name("snap".to_owned())
            .spawn(move || snapshot(&snapshots, &image, &core, &queue));
        match writing {
            Ok(writing) => self.snapshot = Some(writing),
            Err(error) => {
                tracing::error!("cannot start a thread for the snapshot: {error}");
                self.core.feed(Input::SnapshotDone { zxid, ok: false });
            }
        }
    }

    fn purge(&self) {
        tracing::info!("Purge task started.");
        let mut removing = |file: &crate::store::names::Named| {
            tracing::info!("Removing file: {}", file.path.display());
        };
        if let Err(error) = self.store.purge(self.settings.retain, &mut removing) {
            tracing::error!("Error occurred while purging: {error}");
        }
        tracing::info!("Purge task completed.");
    }
}

fn snapshot(snapshots: &Snapshots, image: &Image, core: &Core, queue: &LogQueue) {
    let zxid = image.0.zxid();
    tracing::info!("Snapshotting: 0x{:x}", zxid.0);
    let begun = Instant::now();
    let written = snapshots.write(&*image.0);
    {
        let mut figures = queue.figures();
        match &written {
            Ok(_) => {
                figures.snapshot_ms.record(millis(begun.elapsed()));
                figures.last_snapshot = Some((zxid, super::clock::wall_ms() / 1000));
            }
            Err(_) => figures.snapshot_errors += 1,
        }
    }
    match &written {
        Ok(written) => tracing::info!(
            "Snapshot {} taken in {} ms",
            written.path.display(),
            begun.elapsed().as_millis()
        ),
        Err(error) => tracing::error!(
            "The snapshot failed; the log keeps everything and the next one is tried later: {error}"
        ),
    }
    core.feed(Input::SnapshotDone {
        zxid,
        ok: written.is_ok(),
    });
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
