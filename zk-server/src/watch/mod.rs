//! Who wants to hear of which path (Java: `WatchManager`, `WatchStats`, `WatcherMode`).

pub mod table;

pub use table::{Full, Mode, Watches};
