//! The logger's name at the end of each log line: Kafka's class where an operator's search or
//! alert names it, else our module. A table; never decides what is logged. Mirrors the
//! `%c` of Kafka's log4j.properties.

/// Modules and the class of Kafka that says the same things; the longest beginning counts.
const CLASSES: &[(&str, &str)] = &[
    (driver::logging::STARTUP, "kafka.server.KafkaServer"),
    ("broker::start", "kafka.server.KafkaServer"),
    ("broker::config", "kafka.server.KafkaConfig"),
    ("broker::net", "kafka.network.SocketServer"),
    ("broker::handlers", "kafka.server.KafkaApis"),
    ("broker::fetch", "kafka.server.FetchManager"),
    ("broker::handlers::fetch", "kafka.server.ReplicaManager"),
    ("broker::replica", "kafka.server.ReplicaManager"),
    ("broker::controller", "kafka.controller.KafkaController"),
    (
        "broker::controller::channel",
        "kafka.controller.RequestSendThread",
    ),
    (
        "broker::group",
        "kafka.coordinator.group.GroupMetadataManager",
    ),
    (
        "broker::group::runtime",
        "kafka.coordinator.group.GroupCoordinator",
    ),
    (
        "broker::txn",
        "kafka.coordinator.transaction.ZkProducerIdManager",
    ),
    ("broker::log", "kafka.log.UnifiedLog"),
    ("broker::log::segment", "kafka.log.LogSegment"),
    ("broker::log::load", "kafka.log.LogLoader"),
    (
        "broker::log::producer",
        "org.apache.kafka.storage.internals.log.ProducerStateManager",
    ),
    ("broker::shard", "kafka.log.LogManager"),
    ("broker::zk", "kafka.zk.KafkaZkClient"),
    ("broker::zk::configs", "kafka.server.DynamicConfigManager"),
    ("driver::zk_client", "org.apache.zookeeper.ClientCnxn"),
];

/// The logger of a `tracing` target.
pub fn name_of(target: &str) -> &str {
    CLASSES
        .iter()
        .filter(|(module, _)| {
            target
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
        .max_by_key(|(module, _)| module.len())
        .map_or(target, |(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts() {
        for (target, logger) in [
            ("startup", "kafka.server.KafkaServer"),
            ("broker::log::load", "kafka.log.LogLoader"),
            ("broker::log::append", "kafka.log.UnifiedLog"),
            ("broker::logs", "broker::logs"),
            (
                "broker::controller::driver",
                "kafka.controller.KafkaController",
            ),
            ("hyper::proto", "hyper::proto"),
        ] {
            assert_eq!(name_of(target), logger);
        }
    }
}
