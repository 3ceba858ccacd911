//! The group coordinator: membership, rebalances and committed offsets of the classic protocol
//! (Java: `GroupCoordinator`, `GroupMetadata`, `GroupMetadataManager`).
//!
//! [`coordinator::GroupCoordinator`] is a pure machine: requests, time, finished appends and
//! loaded records go in; replies and records to append come out as [`effect::Effect`]s.
//!
//! | file | what |
//! | --- | --- |
//! | `effect` | what comes out: replies, appends; the requests that go in |
//! | `member`, `state` | one member; one group's members, protocols and state |
//! | `join`, `sync` | the two halves of a rebalance |
//! | `offsets` | committed offsets, their expiry |
//! | `load` | replay of a partition of `__consumer_offsets` |
//! | `timers` | every deadline of the coordinator |
//! | `records` | the bytes of `__consumer_offsets` |
//! | `storage` | the driver's log: appends through the shards, replay when a partition is led |
//! | `runtime` | the driver: clock, log, waiting requests |
//! | `coordinator` | ownership of partitions, and the door of each request |

pub mod coordinator;
pub mod effect;
mod join;
pub mod load;
mod member;
mod offsets;
pub mod records;
pub mod runtime;
mod state;
pub mod storage;
mod sync;
mod timers;

#[cfg(test)]
mod tests;
