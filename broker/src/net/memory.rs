//! Bounds the bytes of requests that are being read or handled: they are reserved from a
//! request's size before its body is read. Mirrors org.apache.kafka.common.memory.MemoryPool
//! (queued.max.request.bytes), which has no bound by default; this one always has.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests below this size are not counted: they are bounded by the number of connections.
const FREE: usize = 16 * 1024;

/// The bytes that all requests share.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    bytes: Arc<Semaphore>,
    size: usize,
}

/// A request's share, given back when it is dropped.
pub(super) type Reserved = Option<OwnedSemaphorePermit>;

impl Memory {
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            size: bytes,
        }
    }

    /// Its size in bytes, and what is free.
    pub(super) fn room(&self) -> (usize, Arc<Semaphore>) {
        (self.size, self.bytes.clone())
    }

    fn counted(size: usize) -> Option<u32> {
        if size < FREE {
            None
        } else {
            u32::try_from(size).ok()
        }
    }

    /// Reserves at once, if there is room.
    pub(super) fn try_reserve(&self, size: usize) -> Option<Reserved> {
        match Self::counted(size) {
            None => Some(None),
            Some(size) => self
                .bytes
                .clone()
                .try_acquire_many_owned(size)
                .ok()
                .map(Some),
        }
    }

    /// Waits for room, in the order of asking.
    pub(super) async fn reserve(self, size: usize) -> Reserved {
        self.bytes
            .acquire_many_owned(Self::counted(size)?)
            .await
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_requests_share_the_bytes() {
        let memory = Memory::new(100_000);
        let first = memory.try_reserve(60_000).unwrap();
        assert!(memory.try_reserve(60_000).is_none());
        assert!(memory.try_reserve(100).is_some());
        drop(first);
        assert!(memory.try_reserve(60_000).is_some());
    }
}
