//! The client side of Kafka's protocol: what our tools use, and brokers among themselves.
//!
//! | file | what |
//! | --- | --- |
//! | `connection` | one connection to one broker: versions agreed on, requests in flight |
//! | `cluster` | connections to all brokers of a cluster, metadata, coordinators |
//! | `offsets` | log start and end, by time, committed, commit |
//! | `assignor` | partitions shared out among members |
//! | `fetcher` | records of given partitions |
//! | `consumer` | a member of a group, or a reader of one partition |
//! | `membership` | join, heartbeat, leave |
//! | `partitioner` | which partition a key belongs to |
//! | `producer` | batches of one topic, sent and repeated |

/// Says a trouble when it begins, not each time that it is met again. A macro, so that the line
/// bears the module that says it.
macro_rules! warn_once {
    ($last:expr, $line:expr) => {{
        let (last, line): (&mut String, String) = ($last, $line);
        if *last != line {
            tracing::warn!("{line}");
            *last = line;
        }
    }};
}

pub mod assignor;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod fetcher;
pub mod membership;
pub mod offsets;
pub mod partitioner;
pub mod producer;

pub use cluster::Cluster;
pub use connection::{CallError, Connection, Options};
