//! One server of an ensemble: looks for a leader, leads or follows, and starts over (Java:
//! `QuorumPeer`). Owns election, ZAB role, database and server; pure like them.

mod clients;
mod effects;
pub mod events;
pub mod io;
mod looking;
mod machine;
mod restore;
mod retire;
mod settings;
mod status;
#[cfg(test)]
mod stories;

pub use events::PeerEvent;
pub use io::{PeerInput, PeerOutput};
pub use machine::Peer;
pub use settings::{PeerSettings, PeerStart};
pub use status::{PeerStatus, ZabState};
