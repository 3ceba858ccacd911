//! The keys of fetching from other brokers. Names, types, defaults and validators are
//! those of Apache Kafka 2.7 and 3.9 (KafkaConfig, LogConfig); the texts are ours. A table, no code.

use crate::config::def::words::*;
use crate::config::def::{Key, key};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("replica.fetch.backoff.ms", Int, Some("1000"), AtLeast(0), Medium, ReadOnly, Both, Replication,
        "Sleep of a fetcher after an error."),
    key("replica.fetch.max.bytes", Int, Some("1048576"), AtLeast(0), Medium, ReadOnly, Both, Replication,
        "Bytes that a follower asks for per partition."),
    key("replica.fetch.min.bytes", Int, Some("1"), Any, High, ReadOnly, Both, Replication,
        "Bytes that a follower's fetch waits for."),
    key("replica.fetch.response.max.bytes", Int, Some("10485760"), AtLeast(0), Medium, ReadOnly, Both, Replication,
        "Bytes that a follower asks for per fetch."),
    key("replica.fetch.wait.max.ms", Int, Some("500"), Any, High, ReadOnly, Both, Replication,
        "Longest wait of a follower's fetch."),
    key("replica.high.watermark.checkpoint.interval.ms", Long, Some("5000"), Any, High, ReadOnly, Both, Effective,
        "How often high watermarks are written."),
    key("replica.lag.time.max.ms", Long, Some("30000"), Any, High, ReadOnly, Both, Replication,
        "Time without catching up after which a follower leaves the ISR."),
    key("replica.selector.class", Str, None, Any, Medium, ReadOnly, Both, JavaClass,
        "Java class that picks the replica a consumer reads from."),
    key("replica.socket.receive.buffer.bytes", Int, Some("65536"), Any, High, ReadOnly, Both, Replication,
        "SO_RCVBUF of fetchers."),
    key("replica.socket.timeout.ms", Int, Some("30000"), Any, High, ReadOnly, Both, Replication,
        "Time that a fetcher's request may take."),
    key("num.replica.fetchers", Int, Some("1"), Any, High, ClusterWide, Both, Replication,
        "Fetcher threads per source broker."),
];
