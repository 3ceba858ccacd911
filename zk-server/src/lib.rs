//! A ZooKeeper server: client protocol, files and operations of Apache ZooKeeper 3.4 to 3.9.

pub mod cli;
pub mod config;
pub mod core;
pub mod store;
pub mod tree;
