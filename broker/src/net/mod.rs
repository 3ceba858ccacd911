//! Sockets of clients and other brokers: frames in, answers out in the order of the requests.
//!
//! `listener` binds and accepts, `limits` says who may come in, `open` who has to go, `frames` finds requests in bytes,
//! `memory` bounds what is being read, `buffers` has where to, `connection` is one client's task, `outbox` writes,
//! `cold` has files read before they are sent.
#![allow(
    clippy::disallowed_methods,
    reason = "the driver of connections reads clocks and starts tasks"
)]

mod buffers;
mod cold;
mod connection;
mod frames;
mod limits;
mod listener;
mod memory;
mod open;
mod outbox;

pub use connection::Peer;
pub use listener::{BindError, Net, NetSettings};
