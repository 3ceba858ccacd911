//! The benchmark's parts: load generators that speak the raw protocols, so that the server is
//! measured and not a client library, and the accounting of the measured process.

pub mod kafka_load;
pub mod process;
pub mod round;
pub mod side;
pub mod table;
pub mod zk_load;
