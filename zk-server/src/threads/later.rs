//! What a thread of the runtime leaves to the end of its turn: it has come back from `epoll_wait` with
//! several sockets to read, and says what they lead to, to other servers and to the log thread, when all
//! have been read. So proposals and commits that arise together share a packet and a sync.
//!
//! Nothing waits here for anything but work that is there already: a thread that has nothing left to do
//! says it before it sleeps ([`say`] is the runtime's hook), and one that always has more says it
//! after every few inputs.

use std::cell::RefCell;
use std::sync::Arc;

use crate::net::quorum::Link;

use super::log::LogQueue;

/// Inputs after which nothing is kept any longer.
const INPUTS: usize = 16;

#[derive(Default)]
struct Left {
    /// the runtime calls [`say`] before this thread sleeps
    hooked: bool,
    inputs: usize,
    log: Option<Arc<LogQueue>>,
    links: Vec<Arc<Link>>,
}

thread_local! {
    static LEFT: RefCell<Left> = RefCell::default();
}

/// Leaves the waking of the log thread and the writing of links to the end of the turn, or does them now
/// where no end will be told.
pub(super) fn leave(log: Option<&Arc<LogQueue>>, links: Vec<Arc<Link>>) {
    let full = LEFT.with_borrow_mut(|left| {
        if let Some(log) = log {
            left.log.get_or_insert_with(|| log.clone());
        }
        for link in links {
            if !left.links.iter().any(|known| Arc::ptr_eq(known, &link)) {
                left.links.push(link);
            }
        }
        left.inputs += 1;
        !left.hooked || left.inputs >= INPUTS
    });
    if full {
        empty();
    }
}

/// Says all that was left, before the thread sleeps.
pub fn say() {
    LEFT.with_borrow_mut(|left| left.hooked = true);
    empty();
}

/// Does what takes long, with nothing left unsaid. The thread may have no turns any more afterwards.
pub(crate) fn block<T>(work: impl FnOnce() -> T) -> T {
    LEFT.with_borrow_mut(|left| left.hooked = false);
    empty();
    tokio::task::block_in_place(work)
}

fn empty() {
    let (log, mut links) = LEFT.with_borrow_mut(|left| {
        left.inputs = 0;
        (left.log.take(), std::mem::take(&mut left.links))
    });
    // The disk is the slowest of all: it begins first.
    if let Some(log) = log {
        log.wake();
    }
    for link in links.drain(..) {
        link.flush();
    }
    // for its capacity
    LEFT.with_borrow_mut(|left| left.links = links);
}
