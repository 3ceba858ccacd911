//! The znodes: a copy-on-write arena with an index by path, and the one function that applies
//! transactions to it.

pub mod acls;
pub mod apply;
pub mod committed_log;
pub mod data_tree;
pub mod database;
pub mod digest;
pub mod ephemeral;
pub mod image;
#[cfg(test)]
mod model_tests;
pub mod nodes;
pub mod quota;
pub mod txn;

pub use apply::{Applied, ApplyError, Changed, Observer};
pub use data_tree::DataTree;
pub use database::Database;
pub use ephemeral::EphemeralTypes;
