//! The server itself: one value that owns tree, sessions and watches, and turns inputs into
//! outputs. It never reads a clock, opens a file or spawns.

pub mod io;
