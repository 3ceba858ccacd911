//! The client side of Kafka's protocol: what our tools use, and brokers among themselves.
//!
//! | file | what |
//! | --- | --- |
//! | `connection` | one connection to one broker: versions agreed on, requests in flight |
//! | `cluster` | connections to all brokers of a cluster, metadata, coordinators |

pub mod cluster;
pub mod connection;

pub use cluster::Cluster;
pub use connection::{CallError, Connection, Options};
