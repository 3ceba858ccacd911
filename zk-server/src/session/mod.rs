//! Sessions: ids and passwords, and when they expire.

pub mod id;
pub mod tracker;

pub use tracker::{Owner, SessionTracker};
