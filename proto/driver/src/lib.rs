//! The tokio side of the protocols that both daemons share.
pub mod zk_client;
