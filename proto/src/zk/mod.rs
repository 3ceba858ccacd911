//! ZooKeeper's client protocol and transaction records (Java: `zookeeper.jute`, `ZooDefs`).

pub mod acl;
pub mod client;
pub mod error;
pub mod multi;
pub mod op;
pub mod path;
pub mod request;
pub mod response;
pub mod stat;
pub mod txn;
pub mod watch;

pub use error::ErrorCode;
pub use op::OpCode;
