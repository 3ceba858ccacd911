//! Where log records are made: many share one allocation, which is used again once all of them are
//! applied and written.

use bytes::{Bytes, BytesMut};

/// What records share at a time.
const CHUNK: usize = 64 << 10;
/// A longer record gets memory of its own.
const LONG: usize = CHUNK / 8;

#[derive(Debug, Default)]
pub(crate) struct RecordBuffer {
    scratch: Vec<u8>,
    chunk: BytesMut,
}

impl RecordBuffer {
    /// The bytes that `fill` writes.
    pub(crate) fn make(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        self.scratch.clear();
        fill(&mut self.scratch);
        if self.scratch.len() > LONG {
            return std::mem::take(&mut self.scratch).into();
        }
        if self.chunk.capacity() - self.chunk.len() < self.scratch.len() {
            self.chunk.reserve(CHUNK);
        }
        self.chunk.extend_from_slice(&self.scratch);
        self.chunk.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes() {
        let mut buffer = RecordBuffer::default();
        let mut all = Vec::new();
        for i in 0..2000usize {
            let len = if i % 100 == 7 { LONG + i } else { i % 300 };
            all.push((len, buffer.make(|out| out.resize(len, i as u8))));
            if i % 3 == 0 {
                all.remove(all.len() / 2);
            }
        }
        for (i, (len, bytes)) in all.iter().enumerate() {
            assert_eq!(bytes.len(), *len, "{i}");
            assert!(bytes.windows(2).all(|w| w[0] == w[1]), "{i}");
        }
    }
}
