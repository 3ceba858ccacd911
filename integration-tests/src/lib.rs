//! Harness of the integration tests: real processes, simulated world, oracles.

pub mod peers;
pub mod proc;
pub mod zk;
pub mod bench;
