//! The server itself: one value that owns tree, sessions and watches, and turns inputs into
//! outputs. It never reads a clock, opens a file or spawns.

pub mod conn;
mod connect;
mod containers;
pub mod inspect;
pub mod io;
pub mod namespaces;
pub mod queue;
mod quorum;
pub mod server;
pub mod settings;
mod snapshots;
pub mod stats;
#[cfg(test)]
mod stories;
pub mod throttle;

pub use server::{Event, Retired, Server};
pub use settings::Settings;
