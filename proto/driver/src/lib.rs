//! The tokio side of the protocols that both daemons share.
pub mod kafka_client;
pub mod zk_client;
