//! Wire and file formats of ZooKeeper and Kafka: bytes in, values out.
//!
//! Nothing here opens a socket or a file, reads a clock, or knows tokio. Each length that comes
//! from the wire is checked against the bytes that are left before anything is allocated.

pub mod buf;
pub mod jute;
pub mod kafka;
pub mod properties;
pub mod quorum;
pub mod records;
pub mod telemetry;
pub mod zk;
