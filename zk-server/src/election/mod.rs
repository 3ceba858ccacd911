//! Who leads (Java: `FastLeaderElection`, `QuorumCnxManager`). Pure: notifications and time in,
//! notifications and a decision out.
//!
//! - `machine`: [`Election`], one server's part in it; lives as long as the server
//! - `ballot`: votes, which of two is better, which are the same
//! - `stories`, `random`, `testing` (tests): several elections at once

mod ballot;
mod machine;
#[cfg(test)]
mod random;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod testing;

pub use ballot::{Basis, Vote};
pub use machine::{Effect, Election, Settings};
