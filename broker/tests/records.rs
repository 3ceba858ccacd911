//! Produce, Fetch, ListOffsets and their like over loopback, on real logs. No ZooKeeper: the
//! test says what the controller would.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test drives real sockets and files"
)]

#[path = "records/support.rs"]
mod support;

#[path = "records/fetch.rs"]
mod fetch;
#[path = "records/groups.rs"]
mod groups;
#[path = "records/hostile.rs"]
mod hostile;
#[path = "records/offsets.rs"]
mod offsets;
#[path = "records/produce.rs"]
mod produce;
