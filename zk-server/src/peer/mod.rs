//! One server of an ensemble: looks for a leader, leads or follows, and starts over (Java:
//! `QuorumPeer`). Owns election, ZAB role, database and server; pure like them.

pub mod io;
