//! What makes the pure core run: the lock around it, its clock, the log thread, snapshots, start and
//! stop. No protocol is decided here.
//!
//! The core is one value behind one lock, not a thread: the task that read a batch of requests runs
//! it and writes the answers itself, and so does the log thread after a sync. A read costs no hop
//! between threads, a write costs one (to the log thread).
#![allow(
    clippy::disallowed_methods,
    reason = "this module is the driver: it starts threads and reads clocks"
)]

pub mod clock;
pub mod core;
mod differ;
pub mod ensemble;
mod events;
pub mod later;
pub mod log;
mod member;
mod oracle;
pub(crate) mod prepare;
mod roll_call;
pub mod start;
