//! The tokio side of the protocols that both daemons share.
pub mod http;
pub mod kafka_client;
pub mod limits;
pub mod local_time;
pub mod logging;
pub mod metrics;
pub mod port_holder;
pub mod process;
pub mod signals;
pub mod zk_client;
