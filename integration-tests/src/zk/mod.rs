//! ZooKeeper under test: one configuration that ours and Apache's servers start from, a raw
//! client that sees every byte, and the oracle that compares two servers.

mod agree;
mod cfg;
mod change;
mod client;
mod ensemble;
mod http;
mod load;
mod locker;
mod masked;
pub mod oracle;
mod raw;
mod server;
mod watcher;

pub use agree::check;
pub use change::change;
pub use client::{Gone, Ticket, ZkClient, Znode};
pub use ensemble::{Ensemble, Kind};
pub use http::{HttpAnswer, http_get, http_post};
pub use load::{Load, Report};
pub use masked::{masked, shape};
pub use raw::{RawConn, Received, frame, plain_connect};
pub use server::{ZkConfig, ZkServer, four_letter};
