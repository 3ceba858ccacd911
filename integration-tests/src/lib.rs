//! Harness of the integration tests: real processes, simulated world, oracles.

pub mod bench;
pub mod broker;
pub mod disk;
pub mod machine;
pub mod netns;
pub mod peers;
pub mod proc;
pub mod rng;
pub mod sim;
pub mod zk;
