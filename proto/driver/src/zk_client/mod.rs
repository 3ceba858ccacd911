//! A ZooKeeper client on tokio: sockets, names and time for `proto::zk::client::Session`.
//!
//! | file | what it is |
//! | --- | --- |
//! | `handle` | [`ZkClient`]: what users call, one method an operation |
//! | `task` | the task that owns the session machine and its socket |
//! | `dial` | name resolution, connecting, asking `isro` |
//! | `reach` | which server it had, and why others did not answer |
//!
//! It decides nothing about sessions: that is the machine's.

#![allow(
    clippy::disallowed_methods,
    reason = "the driver of the client: it reads the clock and starts its task"
)]

mod dial;
mod handle;
mod reach;
mod task;

pub use handle::{ClientConfig, ZkClient};
pub use proto::zk::client::{
    Credentials, Error, Op, OpResult, OwnedAcl, SessionState, States, WatchedEvent, WatcherType,
};
pub use proto::zk::request::CreateMode;
pub use reach::Reach;
pub use task::{ZkEvent, ZkEvents};

#[cfg(test)]
mod tests;
