//! The client's side of the protocol, without sockets, tasks or clocks (Java: `ClientCnxn`,
//! `ZooKeeper`).
//!
//! | file | what it is |
//! | --- | --- |
//! | `connect_string` | `host:port,host:port/chroot`, and paths below a chroot |
//! | `call` | every operation: its request as bytes, its reply as an owned value |
//! | `multi` | the operations and results of `multi` and `multiRead` |
//! | `session` | the session machine: dialing, handshake, pings, replies, watches, close |
//! | `types` | its configuration, states and events |
//! | `queue` | the part of the session that matches requests with replies |
//! | `watches` | which watches are set, and how they are set again after a reconnect |

pub mod call;
pub mod connect_string;
pub mod multi;
mod queue;
pub mod session;
pub mod types;
pub mod watches;

pub use call::{Call, Calls, Error, OwnedAcl, WatcherType};
pub use connect_string::{Chroot, ConnectString, ConnectStringError, Server};
pub use multi::{Op, OpResult};
pub use session::Session;
pub use types::{Config, Credentials, Event, SessionState, States, WatchedEvent};

#[cfg(test)]
mod tests;
