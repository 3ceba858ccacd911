//! The client side of Kafka's protocol: what our tools use, and brokers among themselves.
//!
//! | file | what |
//! | --- | --- |
//! | `connection` | one connection to one broker: versions agreed on, requests in flight |
//! | `cluster` | connections to all brokers of a cluster, metadata, coordinators |
//! | `partitioner` | which partition a key belongs to |
//! | `producer` | batches of one topic, sent and repeated |

pub mod cluster;
pub mod connection;
pub mod partitioner;
pub mod producer;

pub use cluster::Cluster;
pub use connection::{CallError, Connection, Options};
