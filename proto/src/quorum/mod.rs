//! What ZooKeeper servers say to each other: election notifications, the packets of ZAB, and the
//! configuration of the ensemble as text (Java: `org.apache.zookeeper.server.quorum`).

pub mod election;
pub mod packet;

pub use election::{Notification, PeerState};
pub use packet::{PacketType, QuorumPacket};
