//! Real processes under test: where our binaries are, free ports, guards, waiting, skipping.

mod binaries;
mod child;
mod port;
mod skip;
mod stranger;
mod wait;

pub use binaries::{binary, repo_root, target_dir};
pub use child::{Finished, Process, behind, run};
pub use port::Port;
pub use skip::skipped;
pub use stranger::{Strangers, exchange};
pub use wait::{LIMIT, wait_until};
