//! Who a client is and what it may do: the schemes `world`, `auth`, `digest`, `ip` and `super`.

pub mod acl;
pub mod digest;
pub mod ip;
pub mod provider;

pub use provider::{Identity, Proof, Providers};
