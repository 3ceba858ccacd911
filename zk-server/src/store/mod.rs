//! Transaction log, snapshots and epoch files, in the format of Java's `version-2` folder. The only
//! place of this crate that touches data files.

pub mod image;
