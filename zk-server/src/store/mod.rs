//! Transaction log, snapshots and epoch files, in the format of Java's `version-2` folder. The only
//! place of this crate that touches data files.
//!
//! | module | what it is | in Java |
//! | --- | --- | --- |
//! | [`disk`] | the file system as the store sees it; real and simulated | |
//! | [`real`] | the real one | |
//! | [`names`] | `log.ZXID`, `snapshot.ZXID` | `Util` |
//! | [`record`] | what a log record says | `SerializeUtils` |
//! | [`txnlog`] | appending, group commit, padding | `FileTxnLog`, `FilePadding` |
//! | [`reader`] | reading logs, telling a torn tail from damage | `FileTxnIterator` |
//! | [`scan`] | the records of all files after a zxid | |
//! | [`snapshot`] | writing and loading snapshots | `FileSnap`, `SnapStream` |
//! | [`image`] | the contract with the tree | |
//! | [`recover`] | what a start does | `FileTxnSnapLog.restore` |
//! | [`lock`] | one server for each folder | |
//! | [`cut`] | giving up the end of the log, with a copy kept | `FileTxnLog.truncate` |
//! | [`intake`] | a snapshot that an operator brings | `ZooKeeperServer.restoreFromSnapshot` |
//! | [`purge`] | removing what no start needs | `PurgeTxnLog` |
//! | [`epochs`] | `currentEpoch`, `acceptedEpoch` | `QuorumPeer` |
//! | [`orders`] | carrying out what the core asks for | `SyncRequestProcessor` |
//! | [`toolkit`] | what the command line tools print | `TxnLogToolkit`, `SnapshotFormatter` |
//! | [`facade`] | [`Store`]: all of it for the log thread | `FileTxnSnapLog` |

#![allow(
    clippy::disallowed_methods,
    reason = "this module is the driver of the data files"
)]

pub mod cut;
pub mod disk;
pub mod epochs;
pub mod error;
pub mod facade;
#[cfg(test)]
mod golden_tests;
pub mod image;
pub mod intake;
pub mod lock;
pub mod names;
#[cfg(test)]
mod order_tests;
pub mod orders;
pub mod purge;
pub mod reader;
pub mod real;
pub mod record;
pub mod recover;
mod restoring;
pub mod scan;
pub mod snapshot;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod toolkit;
pub mod txnlog;

pub use disk::{Disk, DiskFile};
pub use error::StoreError;
pub use facade::{Store, StoreConfig};
pub use intake::{Intake, Received};
pub use lock::FolderLock;
pub use orders::{Beside, Job, Loaded, Worker};
pub use real::RealDisk;
pub use recover::{Recovered, Replay};
pub use restoring::DatabaseSettings;
pub use snapshot::{Compression, Snapshots};
