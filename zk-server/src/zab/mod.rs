//! ZAB between a leader and its learners: discovery, synchronisation, broadcast (Java: `Leader`,
//! `LearnerHandler`, `Learner`, `Follower`, `Observer`). Pure: packets and completions in,
//! [`Effect`]s out; the tree belongs to the server, files to the disk thread, sockets to the driver.

pub mod io;

pub use io::{Effect, LinkId};
