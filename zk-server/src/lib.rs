//! A ZooKeeper server: client protocol, files and operations of Apache ZooKeeper 3.4 to 3.9.

pub mod auth;
pub mod cli;
pub mod config;
pub mod core;
pub mod election;
pub mod mutants;
pub mod net;
pub mod peer;
pub mod pipeline;
pub mod quorum;
pub mod session;
pub mod store;
pub mod threads;
pub mod tree;
pub mod units;
pub mod watch;
pub mod zab;
