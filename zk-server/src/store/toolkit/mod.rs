//! What the command line tools print, in the words of Java 3.9's (`TxnLogToolkit`,
//! `SnapshotFormatter`, `SnapshotComparer`, `SnapshotRecursiveSummary`). Nothing here knows argument
//! lists or exits: that is in `bin/`.

pub mod compare;
pub mod options;
pub mod snapshot_text;
pub mod tree;
pub mod txn_text;
pub mod txnlog;
