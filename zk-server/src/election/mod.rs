//! Who leads (Java: `FastLeaderElection`, `QuorumCnxManager`). Pure: notifications and time in,
//! notifications and a decision out.
//!
//! - `machine`: [`Election`], one server's part in it; lives as long as the server
//! - `ballot`: votes, which of two is better, which are the same
//! - `links`: [`Links`], which connections between the servers' election ports are kept
//! - `stories`, `random`, `testing` (tests): several elections at once

mod ballot;
pub mod links;
#[cfg(test)]
mod links_tests;
mod machine;
#[cfg(test)]
mod random;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod testing;

pub use ballot::{Basis, Vote};
pub use links::Links;
pub use machine::{Effect, Election, Settings};
