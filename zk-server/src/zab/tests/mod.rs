//! Leader and learners wired in memory: stories, and random runs with crashes that check what ZAB
//! promises.

mod broadcast;
mod discovery;
mod disk;
mod garbage;
mod observer_master;
mod oracle;
mod pump;
mod random;
mod restore;
mod sync;
