//! The way of a request, in stages named as ZooKeeper's: `dispatch` sorts requests and keeps their
//! order, `prep` turns a write into a transaction against the tree and the `overlay` of what is on
//! its way, the log (later: the quorum) makes it durable, `commit` applies it in zxid order and
//! answers, `reads` answers from the tree. An ensemble puts its proposal and its quorum between
//! `prep` and `commit`.

pub(crate) mod commit;
pub(crate) mod dispatch;
#[cfg(test)]
mod golden_tests;
mod multi_read;
pub(crate) mod overlay;
pub mod prep;
mod reads;
pub(crate) mod records;
mod reply;
pub(crate) mod request;
mod watches;
