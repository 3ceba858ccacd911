//! ZAB between a leader and its learners: discovery, synchronisation, broadcast (Java: `Leader`,
//! `LearnerHandler`, `Learner`, `Follower`, `Observer`). Pure: packets and completions in,
//! [`Effect`]s out; the tree belongs to the server, files to the disk thread, sockets to the driver.
//!
//! Whoever owns a machine carries out the effects of one call, in order, before the next call: a
//! leader reads the database and counts on it to hold all that it has committed.

mod config;
pub mod event;
mod handler;
pub mod io;
pub mod leader;
pub mod learner;
mod observer_master;
pub mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod zxid;

pub use event::Event;
pub use io::{Effect, Port};
pub use leader::Leader;
pub use learner::Learner;
pub use settings::{Settings, Start};
