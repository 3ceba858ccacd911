//! The oracle: the same requests go to two servers, and everything that comes back must be equal.
//!
//! A run is a list of [`Step`]s, scripted ([`directed`]) or random ([`Generator`]). Each side
//! ([`Side`]) carries a step out and tells what it saw as lines of text, in which session ids are
//! named by first appearance and times are checked against the zxid that set them. Lines that
//! differ between the sides are the finding. [`Coverage`] counts operation by error code.

mod canon;
mod coverage;
pub mod directed;
mod generate;
mod side;
mod step;

pub use coverage::Coverage;
pub use generate::Generator;
pub use side::{Side, compare};
pub use step::{Acls, Connect, Request, SUPER_DIGEST, Step};
