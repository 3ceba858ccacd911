//! Kafka load.
