//! Leader and learners wired in memory: stories, and random runs with crashes that check what ZAB
//! promises.

mod broadcast;
mod discovery;
mod garbage;
mod pump;
mod random;
mod sync;
