//! One partition's log in Java's format: segments, indexes, producer state, leader epochs, and the
//! checkpoint files of a log directory. Mirrors `UnifiedLog`, `LocalLog`, `LogLoader` and
//! `LogSegment`.
//!
//! A `Log` has one owner and no locks; time is an argument; `file.rs` alone touches the disk.

mod append;
pub(crate) mod checkpoint;
mod config;
mod epoch;
mod error;
pub(crate) mod file;
mod index;
mod load;
mod partition_log;
mod producer;
mod producer_snapshot;
mod read;
mod retention;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod truncate;

pub use append::AppendInfo;
pub use checkpoint::TopicPartition;
pub use config::LogConfig;
pub use epoch::EpochEntry;
pub use error::LogError;
pub use file::{Cold, Disk};
pub use index::AbortedTxn;
pub use load::LoadOptions;
pub use partition_log::{Doomed, FlushJob, FlushTicket, Log, Offsets};
pub use producer::{BatchMeta, Producer};
pub use read::{Isolation, ReadPlan, TimestampAndOffset};
