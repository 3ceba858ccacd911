//! What goes to a connection: a frame as a list of pieces, each bytes or a region of a file.
//!
//! Large byte fields and file regions are never copied into the frame; the transport writes the
//! pieces in order (vectored writes, sendfile). Java: `SendBuilder`, `MultiRecordsSend`.

use bytes::Bytes;

use super::types::Region;

/// One piece of a [`FrameOut`].
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    Bytes(Bytes),
    Region(Region),
}

impl Segment {
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Region(region) => region.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A complete frame or body, ready to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FrameOut {
    segments: Vec<Segment>,
    len: usize,
}

impl FrameOut {
    pub(super) fn new(segments: Vec<Segment>) -> Self {
        let len = segments.iter().map(Segment::len).sum();
        Self { segments, len }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn into_segments(self) -> Vec<Segment> {
        self.segments
    }

    /// Bytes on the wire, file regions included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The whole frame in one piece, if no part of it lies in a file. Copies only when there is
    /// more than one piece.
    pub fn into_bytes(mut self) -> Option<Bytes> {
        if self.segments.len() == 1 {
            return match self.segments.pop() {
                Some(Segment::Bytes(bytes)) => Some(bytes),
                _ => None,
            };
        }
        let mut whole = Vec::with_capacity(self.len);
        for segment in &self.segments {
            match segment {
                Segment::Bytes(bytes) => whole.extend_from_slice(bytes),
                Segment::Region(_) => return None,
            }
        }
        Some(whole.into())
    }
}

impl From<Bytes> for FrameOut {
    fn from(bytes: Bytes) -> Self {
        Self::new(vec![Segment::Bytes(bytes)])
    }
}
