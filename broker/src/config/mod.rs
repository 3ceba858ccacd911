//! The broker's configuration: every key by name, the values of one broker and of its topics.
//!
//! `def` says what a key is, `keys` lists them, `settings` holds texts with the place they came
//! from, `broker` the values in use, `listeners` addresses, `topic` what topics set themselves,
//! `describe` what DescribeConfigs tells about all that, `jvm` notes for who sets Java's options.

mod broker;
pub mod def;
pub mod describe;
pub mod jvm;
pub mod keys;
mod listeners;
mod settings;
mod topic;

pub use broker::KafkaConfig;
pub use listeners::{EndPoint, SecurityProtocol};
pub(crate) use listeners::{default_protocol_map, parse_end_point};
pub use settings::{ConfigError, Settings, Source};
pub use topic::{TopicConfig, TopicOverrides, TopicRefusal};
