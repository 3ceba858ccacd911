//! The deterministic world: real state machines, simulated clock, disk and connections. The same
//! seed gives the same bytes.

pub mod ensemble;
mod zk_world;

pub use zk_world::{Power, SimConn, ZkWorld};
