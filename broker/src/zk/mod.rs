//! Kafka's part of ZooKeeper: paths, the JSON in znodes, what is done with them, and the session.
//!
//! `lifecycle` decides about session and registration, `keeper` carries it out and owns the
//! controller while this broker has it; `configs` keeps what /config says; `consumer_offsets` is
//! where consumers before 0.8.2 keep theirs.

pub mod access;
pub(crate) mod configs;
pub(crate) mod consumer_offsets;
pub mod json;
pub(crate) mod keeper;
pub(crate) mod lifecycle;
pub mod paths;
pub(crate) mod session;

pub use access::{ZkAccess, ZkError};
