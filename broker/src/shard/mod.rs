//! Log shards: threads that own the partitions' logs, and the log directories around them.
//!
//! **A partition lives in one shard, and only that shard's thread touches its log.** Which one is a
//! function of its name, so nobody looks it up.
//!
//! Hops. A produce is one message to the shard and one answer back; a fetch with data as well. A
//! fetch that waits for data of one shard is parked there and answered by the append that completes
//! it: no message more. One that spans shards leaves a bell with each and asks again when it rings.
//! Queues are bounded: a slow disk makes callers of its shard wait, and nobody else. Reads of what is not in
//! memory make only their own caller wait.
//!
//! `shards` is what handlers call, `command` what travels, `worker` the thread, `hosted` one
//! partition in it, `flusher` the fsyncs, `dirs` locks and `meta.properties`, `manager` start and stop,
//! `load` what start reads, `control` timers and checkpoints.
#![allow(
    clippy::disallowed_methods,
    reason = "the driver of the logs reads clocks and starts threads"
)]

mod command;
mod control;
mod dirs;
mod flusher;
mod hosted;
mod load;
mod manager;
mod shards;
#[cfg(test)]
mod tests;
mod worker;

pub use command::{
    AppendItem, Appended, Bell, OffsetQuery, OffsetsFound, ReadItem, ReadResults, ReadWait, Watch,
    Work,
};
pub use dirs::{LogDirs, MetaProperties, StartError};
pub use hosted::{Hosted, Role};
pub use manager::{LogManager, LogManagerSettings};
pub use shards::{PendingAppend, ShardGone, Shards};
