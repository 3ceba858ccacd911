//! What connections read into. A buffer whose requests are done is used again, by any connection of
//! its thread: memory that comes from the system anew costs a page fault every 4 KB. Few are kept,
//! and small ones, so that what idles takes nothing to speak of.

use std::cell::RefCell;

use bytes::BytesMut;

/// Buffers that a thread keeps.
const KEPT: usize = 8;
/// The largest that is kept, in bytes.
const LARGEST: usize = 256 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<ReadBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that have come and are not yet requests of their own.
#[derive(Default)]
pub(super) struct ReadBuffer {
    pub(super) bytes: BytesMut,
    /// what it was allocated with: requests that were split off share it
    size: usize,
}

impl ReadBuffer {
    /// Makes room for `more` bytes.
    pub(super) fn make_room(&mut self, more: usize) {
        if self.spare() >= more || self.bytes.try_reclaim(more) {
            return;
        }
        let mut next = Self::with_room(self.bytes.len() + more);
        next.bytes.extend_from_slice(&self.bytes);
        std::mem::replace(self, next).give_back();
    }

    /// Bytes that fit in without more room.
    pub(super) fn spare(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Leaves the memory to others, once the requests in it are done. Nothing unread may be in it.
    pub(super) fn release(&mut self) {
        std::mem::take(self).give_back();
    }

    fn with_room(size: usize) -> Self {
        SPARE.with_borrow_mut(|spare| {
            let free = spare
                .iter_mut()
                .rposition(|buffer| buffer.bytes.try_reclaim(size));
            match free {
                Some(free) => spare.swap_remove(free),
                None => Self {
                    bytes: BytesMut::with_capacity(size),
                    size,
                },
            }
        })
    }

    fn give_back(mut self) {
        if self.size == 0 || self.size > LARGEST {
            return;
        }
        self.bytes.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() == KEPT {
                spare.remove(0);
            }
            spare.push(self);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(Vec::len)
    }

    #[test]
    fn memory_is_used_again_when_its_requests_are_done() {
        let mut buffer = ReadBuffer::default();
        buffer.make_room(64 * 1024);
        buffer.bytes.extend_from_slice(&[7; 1000]);
        let at = buffer.bytes.as_ptr();
        let request = buffer.bytes.split_to(1000).freeze();
        buffer.release();
        assert_eq!(kept(), 1);

        let mut second = ReadBuffer::default();
        second.make_room(64 * 1024);
        assert_eq!(kept(), 1, "its request is still there");
        assert!(request.iter().all(|&byte| byte == 7));
        drop(request);
        let mut third = ReadBuffer::default();
        third.make_room(60 * 1024);
        let offset = (third.bytes.as_ptr() as usize).wrapping_sub(at as usize);
        assert!(offset <= 4 * 1024, "other memory");
        assert_eq!(kept(), 0);
        assert!(third.bytes.is_empty());
    }

    #[test]
    fn what_has_come_moves_into_a_larger_buffer() {
        let mut buffer = ReadBuffer::default();
        buffer.make_room(100);
        buffer.bytes.extend_from_slice(b"what came first");
        let first = buffer.bytes.split_to(5);
        buffer.make_room(10_000);
        assert!(buffer.spare() >= 10_000);
        assert_eq!(
            (&first[..], &buffer.bytes[..]),
            (&b"what "[..], &b"came first"[..])
        );
    }

    #[test]
    fn few_are_kept_and_no_large_ones() {
        for size in [1, LARGEST + 1] {
            let mut many: Vec<ReadBuffer> = Vec::new();
            many.resize_with(KEPT + 3, ReadBuffer::default);
            many.iter_mut().for_each(|buffer| buffer.make_room(size));
            many.iter_mut().for_each(ReadBuffer::release);
        }
        assert_eq!(kept(), KEPT);
    }
}
