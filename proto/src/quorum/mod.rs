//! What ZooKeeper servers say to each other: election notifications, the packets of ZAB, and the
//! configuration of the ensemble as text (Java: `org.apache.zookeeper.server.quorum`).

pub mod config;
pub mod election;
#[cfg(test)]
mod golden_tests;
pub mod identities;
pub mod initial;
pub mod packet;
pub mod payload;
pub mod server_line;

pub use config::{ConfigTextError, QuorumConfig};
pub use election::{Notification, PeerState};
pub use identities::Identities;
pub use initial::{Address, InitialError, InitialMessage};
pub use packet::{PacketError, PacketType, QuorumPacket};
pub use payload::{LearnerInfo, PROTOCOL_VERSION, Request, Revalidate, Revalidated, Touch};
pub use server_line::{QuorumServer, Role};
