//! Apache's own ZooKeeper and Kafka, any release that Maven carries: servers, tools, clients.
//!
//! `peers/NAME/pom.xml` says what NAME's class path is; Maven resolves it once and the answer is
//! kept under `target/peers`. ZooKeeper servers, ours and Java's, are started by [`crate::zk`].

mod java;
mod kafka;
mod maven;

pub use java::{Java, java};
pub use kafka::{JavaBroker, broker_count};

/// The Java machine, or a skipped test where there is none: `let java = java_or_skip!();`
#[macro_export]
macro_rules! java_or_skip {
    () => {
        match $crate::peers::java() {
            Ok(java) => java,
            Err(reason) => {
                $crate::proc::skipped(&reason);
                return;
            }
        }
    };
}
