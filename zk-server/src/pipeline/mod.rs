//! The way of a request, in stages named as ZooKeeper's: `dispatch` sorts requests and keeps their
//! order, `prep` turns a write into a transaction against the tree and the `overlay` of what is on
//! its way, `propose` gives it a zxid, the log or the quorum makes it durable, `commit` applies it in
//! zxid order and answers, `reads` answers from the tree. On a learner `forward` stands in the place
//! of `prep` and `propose`: the leader has those.

pub(crate) mod commit;
pub(crate) mod dispatch;
pub(crate) mod forward;
#[cfg(test)]
mod golden_tests;
mod multi_read;
pub(crate) mod overlay;
pub mod prep;
mod propose;
mod reads;
pub(crate) mod reconfig;
pub(crate) mod records;
mod reply;
pub(crate) mod request;
mod screen;
mod watches;
