//! Fetching: what a request asks for, and what of it goes into the answer.
//!
//! `session` remembers the partitions of incremental fetches (KIP-227), `plan` cuts what the logs
//! offer to the request's budget, `convert` rewrites records for clients of old formats. Waiting
//! for data is the log shards' business, which see it arrive.

pub mod convert;
pub mod plan;
pub mod session;
