//! Kafka's part of ZooKeeper: paths, the JSON in znodes, and what is done with them.

pub mod json;
pub mod paths;
