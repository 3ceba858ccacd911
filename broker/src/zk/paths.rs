//! Where Kafka keeps what in ZooKeeper. Mirrors the `path` methods of kafka.zk.ZkData.

pub const BROKER_IDS: &str = "/brokers/ids";
pub const BROKER_SEQUENCE: &str = "/brokers/seqid";
pub const TOPICS: &str = "/brokers/topics";
pub const CLUSTER_ID: &str = "/cluster/id";
pub const CONFIG_CHANGES: &str = "/config/changes";
pub const CONTROLLER: &str = "/controller";
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
pub const FEATURE: &str = "/feature";
pub const ISR_CHANGES: &str = "/isr_change_notification";
pub const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
pub const PREFERRED_ELECTION: &str = "/admin/preferred_replica_election";
pub const PRODUCER_ID_BLOCK: &str = "/latest_producer_id_block";
pub const CONSUMERS: &str = "/consumers";

/// What stands for all brokers, users or clients in /config.
pub const DEFAULT_ENTITY: &str = "<default>";

/// What every broker makes sure of when it starts (ZkData.PersistentZkPaths).
pub const PERSISTENT: &[&str] = &[
    CONSUMERS,
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQUENCE,
    ISR_CHANGES,
    PRODUCER_ID_BLOCK,
    LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

pub fn broker_id(id: i32) -> String {
    format!("{BROKER_IDS}/{id}")
}

pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{name}")
}

pub fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

pub fn partition(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}")
}

pub fn partition_state(topic: &str, partition: i32) -> String {
    format!("{TOPICS}/{topic}/partitions/{partition}/state")
}

pub fn delete_topic(name: &str) -> String {
    format!("{DELETE_TOPICS}/{name}")
}

pub fn topic_config(name: &str) -> String {
    format!("/config/topics/{name}")
}

pub fn broker_config(id: &str) -> String {
    format!("/config/brokers/{id}")
}

/// The topic in `/brokers/topics/NAME`, and in nothing below it.
pub fn topic_of(path: &str) -> Option<&str> {
    path.strip_prefix(TOPICS)?
        .strip_prefix('/')
        .filter(|name| !name.contains('/'))
}

/// The broker in `/brokers/ids/N`.
pub fn broker_of(path: &str) -> Option<i32> {
    path.strip_prefix(BROKER_IDS)?
        .strip_prefix('/')?
        .parse()
        .ok()
}
