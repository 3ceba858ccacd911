//! zoo.cfg, Java system properties and `myid`: one table of keys, one typed [`Config`].
//! Mirrors Java's `QuorumPeerConfig`, `ServerConfig` and the places that read system properties.

mod access;
mod dynamic;
mod ensemble;
mod error;
mod flags;
mod key;
pub mod keys;
mod load;
mod quorum;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use dynamic::DynamicFiles;
pub use ensemble::{Ensemble, Members};
pub use error::{ConfigError, ConfigErrorKind};
pub use flags::JvmFlags;
pub use key::{Key, Kind, Status, Where};
pub use load::{load, load_arguments};
pub use quorum::{QuorumConfig, QuorumServer, Role, addresses_twice};
pub use resolve::{Resolved, Value};
pub use settings::{Admin, ClientPort, Config, Core, Files, FourLetter, Limits, Metrics, Sources};
