//! The driver around the group coordinator: clock, log, and who waits for which answer.
//!
//! The coordinator's work is microseconds a request, so requests call it where they arrive, under
//! one lock; only an append to `__consumer_offsets` takes another way.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the clock and starts the timer's task"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::kafka::ErrorCode;
use proto::records::{BatchBuilder, BatchOptions, Compression};
use tokio::sync::{Notify, oneshot};
use tracing::{error, info};

use super::coordinator::GroupCoordinator;
use super::effect::{Config, Effect, Now, Record, Reply, Token};
use super::records;

/// What is called once an append is committed at a log offset, or will never be.
pub type Done = Box<dyn FnOnce(Result<i64, ErrorCode>) + Send>;

/// Appends to partitions of `__consumer_offsets` that this broker leads.
pub trait OffsetsLog: Send + Sync {
    /// Appends one v2 batch. `done` is called without the caller's locks held, from any thread.
    fn append(&self, partition: i32, batch: Bytes, done: Done);
}

/// The group coordinator of one broker.
pub struct Groups {
    state: Mutex<State>,
    log: Box<dyn OffsetsLog>,
    compression: Compression,
    started: Instant,
    /// the earliest deadline may have changed
    changed: Notify,
}

struct State {
    coordinator: GroupCoordinator,
    waiting: HashMap<Token, oneshot::Sender<Reply>>,
    next_token: u64,
    /// when the timer's task wakes; `u64::MAX` while it is awake
    wakes_at_ms: u64,
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Groups")
    }
}

impl Groups {
    /// Must be called within a tokio runtime, which runs the coordinator's timers from then on.
    pub fn start(config: Config, compression: Compression, log: Box<dyn OffsetsLog>) -> Arc<Self> {
        let started = Instant::now();
        let random = Box::new(|| uuid::Uuid::new_v4().to_string());
        let coordinator = GroupCoordinator::new(config, now_since(started), random);
        let state = State {
            coordinator,
            waiting: HashMap::new(),
            next_token: 0,
            wakes_at_ms: u64::MAX,
        };
        let groups = Arc::new(Self {
            state: Mutex::new(state),
            log,
            compression,
            started,
            changed: Notify::new(),
        });
        tokio::spawn(run_timers(Arc::downgrade(&groups)));
        groups
    }

    pub fn now(&self) -> Now {
        now_since(self.started)
    }

    /// A request that is answered at once.
    pub fn ask<T>(self: &Arc<Self>, ask: impl FnOnce(&mut GroupCoordinator, Now) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        let answer = ask(&mut state.coordinator, now);
        self.settle(state);
        answer
    }

    /// A request that may have to wait; the reply may be there already.
    pub fn call(
        self: &Arc<Self>,
        call: impl FnOnce(&mut GroupCoordinator, Now, Token),
    ) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        let now = self.now();
        let mut state = self.lock();
        state.next_token += 1;
        let token = Token(state.next_token);
        state.waiting.insert(token, sender);
        call(&mut state.coordinator, now, token);
        self.settle(state);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what the coordinator asked for.
    fn settle(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let effects = state.coordinator.effects();
        let mut appends = Vec::new();
        for effect in effects {
            match effect {
                Effect::Reply { token, reply } => {
                    if let Some(waiting) = state.waiting.remove(&token) {
                        // The connection may be gone.
                        let _ = waiting.send(reply);
                    }
                }
                Effect::Append {
                    id,
                    partition,
                    records,
                } => appends.push((id, partition, records)),
                Effect::Log { group, message } => info!("group {group}: {message}"),
            }
        }
        let earlier = state
            .coordinator
            .next_deadline_ms()
            .is_some_and(|due| due < state.wakes_at_ms);
        drop(state);
        if earlier {
            self.changed.notify_one();
        }
        for (id, partition, records) in appends {
            let groups = self.clone();
            let done: Done = Box::new(move |result| {
                groups.ask(|coordinator, now| coordinator.appended(now, id, result));
            });
            match self.batch(&records) {
                Some(batch) => self.log.append(partition, batch, done),
                None => done(Err(ErrorCode::UNKNOWN_SERVER_ERROR)),
            }
        }
    }

    fn batch(&self, records: &[Record]) -> Option<Bytes> {
        let timestamp = self.now().wall_ms;
        let options = BatchOptions {
            compression: self.compression,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        for record in records {
            match records::encode(record) {
                Ok((key, value)) => {
                    builder.append(timestamp, Some(&key), value.as_deref(), std::iter::empty());
                }
                Err(e) => {
                    error!("a record of __consumer_offsets can't be written: {e}: {record:?}");
                    return None;
                }
            }
        }
        match builder.build() {
            Ok(batch) => Some(Bytes::from(batch)),
            Err(e) => {
                error!("a batch of __consumer_offsets can't be written: {e}");
                None
            }
        }
    }
}

fn now_since(started: Instant) -> Now {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        mono_ms: started.elapsed().as_millis() as u64,
        wall_ms: wall.as_millis() as i64,
    }
}

/// Ticks the coordinator when a deadline is due, until the last handle is gone.
async fn run_timers(groups: Weak<Groups>) {
    /// The longest sleep between two looks whether the broker still lives.
    const LONGEST: Duration = Duration::from_secs(5);
    loop {
        let Some(strong) = groups.upgrade() else {
            return;
        };
        let now = strong.now();
        let wait = {
            let mut state = strong.lock();
            state.wakes_at_ms = state.coordinator.next_deadline_ms().unwrap_or(u64::MAX);
            Duration::from_millis(state.wakes_at_ms.saturating_sub(now.mono_ms))
        };
        if wait.is_zero() {
            strong.ask(|coordinator, now| coordinator.tick(now));
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait.min(LONGEST)) => {}
            () = strong.changed.notified() => {}
        }
    }
}
