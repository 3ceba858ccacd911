//! Cuts what sockets bring into whole frames, and keeps the rest. A connection without an unfinished
//! frame holds no buffer.

use bytes::{Bytes, BytesMut};

/// A length that no frame may have (Java: "Len error").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LenError {
    pub(super) len: i32,
}

#[derive(Debug, Default)]
pub(super) struct FrameBuffer {
    /// begins with a length, when it holds that much
    partial: BytesMut,
}

impl FrameBuffer {
    pub(super) fn has_rest(&self) -> bool {
        !self.partial.is_empty()
    }

    /// What came before the first frame was cut.
    pub(super) fn rest(&self) -> &[u8] {
        &self.partial
    }

    pub(super) fn keep(&mut self, read: &[u8]) {
        self.partial.extend_from_slice(read);
    }

    /// Takes bytes in and gives out the whole frames, lengths included. After an error nothing more
    /// can be read; the frames before it still count.
    pub(super) fn take(&mut self, read: &[u8], max: usize) -> (Option<Bytes>, Option<LenError>) {
        if self.partial.is_empty() {
            let (whole, error) = whole_frames(read, max);
            self.partial.extend_from_slice(&read[whole..]);
            let frames = (whole > 0).then(|| Bytes::copy_from_slice(&read[..whole]));
            return (frames, error);
        }
        self.partial.extend_from_slice(read);
        self.cut(max)
    }

    /// The whole frames of what is kept.
    pub(super) fn cut(&mut self, max: usize) -> (Option<Bytes>, Option<LenError>) {
        let (whole, error) = whole_frames(&self.partial, max);
        if whole == 0 {
            return (None, error);
        }
        let frames = if whole == self.partial.len() {
            std::mem::take(&mut self.partial).freeze()
        } else {
            self.partial.split_to(whole).freeze()
        };
        (Some(frames), error)
    }
}

/// How many bytes are whole frames, and the first length that is out of bounds.
fn whole_frames(bytes: &[u8], max: usize) -> (usize, Option<LenError>) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 4) {
        let len = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let Ok(size) = usize::try_from(len) else {
            return (at, Some(LenError { len }));
        };
        if size > max {
            return (at, Some(LenError { len }));
        }
        if bytes.len() - at - 4 < size {
            break;
        }
        at += 4 + size;
    }
    (at, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(body);
        frame
    }

    #[test]
    fn lengths_out_of_bounds_are_errors_after_the_frames_before() {
        let mut bytes = frame(b"ok");
        bytes.extend([0, 0, 0, 9]);
        let mut buffer = FrameBuffer::default();
        let (frames, error) = buffer.take(&bytes, 8);
        assert_eq!(frames.unwrap(), frame(b"ok"));
        assert_eq!(error, Some(LenError { len: 9 }));
        let mut buffer = FrameBuffer::default();
        let (frames, error) = buffer.take(&[0xff; 4], 8);
        assert_eq!((frames, error), (None, Some(LenError { len: -1 })));
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_came_in(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
            cuts in proptest::collection::vec(1usize..30, 1..50),
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
            let mut buffer = FrameBuffer::default();
            let mut out = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                rest = later;
                let (frames, error) = buffer.take(now, 40);
                prop_assert!(error.is_none());
                if let Some(frames) = frames {
                    prop_assert_eq!(whole_frames(&frames, 40), (frames.len(), None));
                    out.extend_from_slice(&frames);
                }
            }
            prop_assert_eq!(out, stream);
            prop_assert!(!buffer.has_rest());
        }
    }
}
