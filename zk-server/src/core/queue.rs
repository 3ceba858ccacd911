//! The requests of one connection that have no reply yet, in their order (Java: the queues of
//! `CommitProcessor`). Replies leave from the front. Writes are sent on their way while they wait
//! behind reads, but behind a few reads only: all of those are answered at once when their turn
//! comes, however long the answers are.

use std::collections::VecDeque;

use bytes::Bytes;

/// Reads that may wait in front of a write that is on its way. Behind more of them a write waits.
pub const MAX_READS_AHEAD: usize = 64;

/// What a connection's replies wait for.
#[derive(Debug)]
pub enum Waiting {
    /// a write on its way, by its token
    Write(i64),
    /// a request that must not overtake what stands before it
    Request { frame: Bytes, at_us: u64 },
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// so many from the front are sorted: writes on their way, and reads
    sorted: usize,
    /// reads among the sorted ones
    reads: usize,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// Everything that waits is sorted: a write may be sent on its way behind it.
    pub fn is_sorted(&self) -> bool {
        self.sorted == self.waiting.len()
    }

    /// Whether a write of this connection is on its way.
    pub fn has_writes(&self) -> bool {
        self.sorted > self.reads
    }

    /// A write that is on its way, behind what is sorted.
    pub fn push_write(&mut self, token: i64) {
        debug_assert!(self.is_sorted());
        self.waiting.push_back(Waiting::Write(token));
        self.sorted += 1;
    }

    /// The request that was taken from the front is a write, and on its way now.
    pub fn put_back(&mut self, token: i64) {
        self.waiting.push_front(Waiting::Write(token));
        self.sorted += 1;
    }

    /// A request that waits its turn.
    pub fn push(&mut self, frame: Bytes, at_us: u64) {
        self.waiting.push_back(Waiting::Request { frame, at_us });
    }

    /// The first request that is not sorted, if there is room for another one.
    pub fn unsorted(&self) -> Option<(&Bytes, u64)> {
        match self.waiting.get(self.sorted) {
            Some(Waiting::Request { frame, at_us }) if self.reads <= MAX_READS_AHEAD => {
                Some((frame, *at_us))
            }
            _ => None,
        }
    }

    /// [`Self::unsorted`] is a read.
    pub fn is_read(&mut self) {
        self.sorted += 1;
        self.reads += 1;
    }

    /// [`Self::unsorted`] is a write, and on its way now.
    pub fn is_write(&mut self, token: i64) {
        if let Some(place) = self.waiting.get_mut(self.sorted) {
            *place = Waiting::Write(token);
            self.sorted += 1;
        }
    }

    pub fn pop(&mut self) -> Option<Waiting> {
        let first = self.waiting.pop_front();
        if self.sorted > 0 && first.is_some() {
            self.sorted -= 1;
            self.reads -= usize::from(matches!(first, Some(Waiting::Request { .. })));
        }
        first
    }

    /// Gives memory back that one who writes seldom need not keep.
    pub fn trim(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_on_behind_a_few_reads_only() {
        let mut queue = Queue::default();
        queue.push_write(1);
        for n in 0..200 {
            queue.push(Bytes::new(), n);
        }
        while queue.unsorted().is_some() {
            queue.is_read();
        }
        assert_eq!(queue.reads, MAX_READS_AHEAD + 1);
        assert!(!queue.is_sorted() && queue.has_writes());
        assert!(matches!(queue.pop(), Some(Waiting::Write(1))));
        assert!(!queue.has_writes());
        queue.pop();
        assert_eq!(queue.unsorted().map(|(_, at)| at), Some(65));
        queue.is_write(2);
        assert!(queue.has_writes() && queue.unsorted().is_some());
        while queue.pop().is_some() {}
        assert_eq!((queue.sorted, queue.reads, queue.len()), (0, 0, 0));
        // What was never looked at leaves, too.
        queue.push(Bytes::new(), 0);
        assert!(!queue.is_sorted() && queue.pop().is_some() && queue.is_sorted());
        queue.put_back(3);
        assert!(queue.is_sorted() && queue.has_writes());
    }
}
