//! Small counters with one writer each: what waits in this broker, its ISRs, its time as controller, its
//! session, and the state that it is in. Mirrors DelayedOperationPurgatory, ReplicaManager, ControllerStats
//! and SessionExpireListener of Kafka as far as their figures go.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use driver::metrics::{Counter, Latency};

/// What happened to the session (kafka.server:type=SessionExpireListener).
#[derive(Debug, Default)]
pub struct ZooKeeperMeters {
    pub expires: Counter,
    pub disconnects: Counter,
    pub sync_connects: Counter,
    pub auth_failures: Counter,
}

/// Requests that wait for something to happen (kafka.server:type=DelayedOperationPurgatory).
#[derive(Debug, Default)]
pub struct Waiting {
    pub fetch: WaitMeter,
    pub produce: WaitMeter,
    /// fetches of consumers that waited as long as they wanted
    pub fetch_expires: Counter,
}

/// Waiting requests, and the partitions that they wait for.
#[derive(Debug, Default)]
pub struct WaitMeter {
    requests: AtomicI64,
    partitions: AtomicI64,
}

/// One that waits, until it is dropped.
#[derive(Debug)]
pub struct Waits<'a> {
    meter: &'a WaitMeter,
    partitions: i64,
}

impl WaitMeter {
    pub fn enter(&self, partitions: usize) -> Waits<'_> {
        let partitions = i64::try_from(partitions).unwrap_or(0);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.partitions.fetch_add(partitions, Ordering::Relaxed);
        Waits {
            meter: self,
            partitions,
        }
    }

    /// Requests and partitions.
    pub(super) fn now(&self) -> (i64, i64) {
        let (requests, partitions) = (&self.requests, &self.partitions);
        (
            requests.load(Ordering::Relaxed),
            partitions.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.meter.requests.fetch_sub(1, Ordering::Relaxed);
        let partitions = &self.meter.partitions;
        partitions.fetch_sub(self.partitions, Ordering::Relaxed);
    }
}

/// What this broker, as a leader, did to its ISRs (kafka.server:type=ReplicaManager).
#[derive(Debug, Default)]
pub struct IsrMeters {
    pub shrinks: Counter,
    pub expands: Counter,
    pub failed_updates: Counter,
}

/// What the controller is at work on (kafka.controller.ControllerState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ControllerTask {
    Idle = 0,
    ControllerChange = 1,
    BrokerChange = 2,
    TopicChange = 3,
    TopicDeletion = 4,
    AutoLeaderBalance = 6,
    ManualLeaderBalance = 7,
    ControlledShutdown = 8,
    IsrChange = 9,
}

impl ControllerTask {
    /// Those that are timed, with Kafka's names of the timers.
    pub(super) const TIMED: [(Self, &'static str); 8] = [
        (Self::ControllerChange, "controllerchange"),
        (Self::BrokerChange, "leaderelection"),
        (Self::TopicChange, "topicchange"),
        (Self::TopicDeletion, "topicdeletion"),
        (Self::AutoLeaderBalance, "autoleaderbalance"),
        (Self::ManualLeaderBalance, "manualleaderbalance"),
        (Self::ControlledShutdown, "controlledshutdown"),
        (Self::IsrChange, "isrchange"),
    ];
}

/// The controller's work on this broker (kafka.controller:type=ControllerStats).
#[derive(Debug, Default)]
pub struct ControllerMeters {
    state: AtomicU8,
    times: [Latency; ControllerTask::TIMED.len()],
    pub unclean_elections: Counter,
    /// from the news to the controller's first look at it
    pub queued: Latency,
}

impl ControllerMeters {
    pub fn begins(&self, task: ControllerTask) {
        self.state.store(task as u8, Ordering::Relaxed);
    }

    pub fn ended(&self, task: ControllerTask, took: Duration) {
        let all = ControllerTask::TIMED.iter().zip(&self.times);
        if let Some((_, latency)) = all.into_iter().find(|((of, _), _)| *of == task) {
            latency.took(took);
        }
        self.begins(ControllerTask::Idle);
    }

    pub(super) fn state(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    pub(super) fn times(&self) -> impl Iterator<Item = (&'static str, &Latency)> {
        let names = ControllerTask::TIMED.iter().map(|(_, name)| *name);
        names.zip(&self.times)
    }
}

/// Where a broker is between its start and its end (org.apache.kafka.metadata.BrokerState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BrokerState {
    Starting = 1,
    Running = 3,
    PendingControlledShutdown = 6,
    ShuttingDown = 7,
}

/// The state of now.
#[derive(Debug)]
pub struct StateMeter(AtomicU8);

impl Default for StateMeter {
    fn default() -> Self {
        Self(AtomicU8::new(BrokerState::Starting as u8))
    }
}

impl StateMeter {
    pub fn set(&self, state: BrokerState) {
        self.0.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_counted_until_it_is_dropped() {
        let meter = WaitMeter::default();
        let one = meter.enter(3);
        let two = meter.enter(1);
        assert_eq!(meter.now(), (2, 4));
        drop(one);
        assert_eq!(meter.now(), (1, 1));
        drop(two);
        assert_eq!(meter.now(), (0, 0));
    }

    #[test]
    fn the_controllers_tasks_are_timed_one_by_one() {
        let meters = ControllerMeters::default();
        meters.begins(ControllerTask::TopicChange);
        assert_eq!(meters.state(), 3);
        meters.ended(ControllerTask::TopicChange, Duration::from_millis(7));
        assert_eq!(meters.state(), 0);
        let counted: Vec<_> = meters.times().filter(|(_, l)| l.count() > 0).collect();
        assert_eq!(counted.len(), 1);
        assert_eq!((counted[0].0, counted[0].1.sum()), ("topicchange", 7));
    }
}
