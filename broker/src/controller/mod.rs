//! The controller: one value, one queue of events, effects out; dropped whole when the session
//! or the leadership goes. Mirrors kafka.controller.
//!
//! | file | what it is |
//! | --- | --- |
//! | `context` | what the controller knows: brokers, topics, partitions |
//! | `event` | what can happen to it, and what it wants done |
//! | `machine` | events in, effects out: topics and partitions |
//! | `brokers` | the same for brokers that come, go and shut down |
//! | `deletion` | the same for topics that are being deleted |
//! | `election` | who leads |
//! | `batch` | requests to brokers, collected while one event is handled |
//! | `assign` | which brokers get the replicas of a new topic |
//! | `driver` | carries effects out: ZooKeeper, this broker itself, channels |
//! | `znodes` | what it reads in ZooKeeper |
//! | `channel` | the way to one other broker |

pub mod assign;
mod batch;
mod brokers;
mod channel;
mod context;
mod deletion;
pub(crate) mod driver;
mod election;
mod event;
mod machine;
#[cfg(test)]
mod tests;
mod znodes;

pub use context::{LiveBroker, TopicPartition};
pub use event::{ControlRequest, Effect, Event, Loaded, Outcome, Write};
pub use machine::{Controller, Rules};
