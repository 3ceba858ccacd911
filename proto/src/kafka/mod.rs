//! Kafka's protocol, as a broker in ZooKeeper mode and its clients and tools speak it (0.8 to 3.9).
//!
//! | module | what it is |
//! | --- | --- |
//! | [`messages`] | the schema: one module an API, a request and a response in each |
//! | [`internal`] | records that brokers and clients keep in logs and in groups |
//! | [`api_key`] | the table of APIs; dispatch by key and version |
//! | [`error`] | error codes |
//! | [`header`], [`frame`] | headers; whole frames in and out |
//! | [`wire`], `macros` | how a message reads and writes itself; the schema language |
//! | [`decode`], [`encode`], [`out`] | bytes in; bytes out; pieces for the network, file regions included |
//! | [`types`] | text, ids, record data, unknown tagged fields |

pub mod api_key;
pub mod decode;
pub mod encode;
pub mod error;
pub mod frame;
pub mod header;
pub mod internal;
mod macros;
pub mod messages;
pub mod out;
pub mod types;
pub mod wire;

#[cfg(test)]
mod tests;

pub use api_key::{ApiKey, Request, RequestBody, ResponseBody};
pub use error::ErrorCode;
pub use out::{FrameOut, Segment};
pub use types::{Records, Region, Str, Uuid};
pub use wire::{Message, VersionRange};
