//! An ensemble in the deterministic world: real peers, real stores, simulated network, disks and clocks.
//!
//! [`World`] has one queue of events and one source of chance, both from [`Plan`], which comes from a
//! seed. What happens is looked at by [`invariants`] (of the servers) and [`history`] (of what clients
//! were told). [`Coverage`] counts what was exercised.

pub mod clients;
pub mod coverage;
pub mod facts;
pub mod faults;
pub mod files;
pub mod fingerprint;
pub mod history;
pub mod invariants;
pub mod known_bugs;
pub mod members;
pub mod model;
pub mod net;
mod observe;
pub mod operation;
pub mod plan;
pub mod restores;
pub mod scenarios;
pub mod server;
pub mod triggers;
pub mod world;

pub use coverage::Coverage;
pub use faults::{Fault, Kind, Planned};
pub use known_bugs::{KNOWN_BUGS, SCENARIOS, Shown};
pub use plan::Plan;
pub use scenarios::Scenario;
pub use world::{Failure, World};
