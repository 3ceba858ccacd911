//! Writing values into a frame in one pass.
//!
//! Small values go to one buffer; record data, file regions and long byte fields become segments
//! of their own and are never copied. Java: the generated `write` methods and `SendBuilder`.

use bytes::Bytes;

use super::decode::MAX_STR;
use super::error::ErrorCode;
use super::out::{FrameOut, Segment};
use super::types::{Records, Tags, Uuid};
use super::wire::{Ver, Wire};

/// Why a message has no form in the version asked for (Java: `UnsupportedVersionException`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("{message} has no version {version}")]
    Version { message: &'static str, version: i16 },
    #[error("{field} is set, but version {version} has no such field")]
    FieldNotInVersion { field: &'static str, version: i16 },
    #[error("{field} is null, which version {version} does not allow")]
    NullNotInVersion { field: &'static str, version: i16 },
    #[error("tagged fields are set, but the version is not flexible")]
    TagsNotInVersion,
    #[error("text of {0} bytes is longer than the protocol allows")]
    TextTooLong(usize),
    #[error("a field or frame of {0} bytes is longer than the protocol allows")]
    TooLong(usize),
}

/// Byte fields from this size on are not copied. Below it a copy is cheaper than one more piece
/// in a vectored write.
const SHARE_FROM: usize = 4096;

/// The error codes that went into a message (Java: `AbstractResponse.errorCounts`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorTally {
    /// how often `NONE`
    pub none: u32,
    /// every other code, as often as it was written
    pub failed: Vec<ErrorCode>,
}

/// Collects one frame or body.
#[derive(Debug, Default)]
pub struct Encoder {
    buf: Vec<u8>,
    /// Pieces that come after so many bytes of `buf`.
    shared: Vec<(usize, Segment)>,
    shared_len: usize,
    /// Depth of tagged fields, whose length must be known in `buf`: inside them all is copied.
    in_tag: u32,
    errors: ErrorTally,
}

impl Encoder {
    pub fn new() -> Self {
        Self::with_capacity(256)
    }

    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buf: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    /// Bytes written so far, shared ones included.
    pub fn len(&self) -> usize {
        self.buf.len() + self.shared_len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    pub fn uvarint(&mut self, value: u32) {
        let (bytes, n) = uvarint_bytes(value);
        self.put(&bytes[..n]);
    }

    fn share(&mut self, segment: Segment) {
        self.shared_len += segment.len();
        self.shared.push((self.buf.len(), segment));
    }

    pub(super) fn error(&mut self, code: ErrorCode) {
        if code == ErrorCode::NONE {
            self.errors.none += 1;
        } else {
            self.errors.failed.push(code);
        }
        self.put(&code.0.to_be_bytes());
    }

    /// The error codes written so far.
    pub fn take_errors(&mut self) -> ErrorTally {
        std::mem::take(&mut self.errors)
    }

    pub(super) fn null(&mut self, v: Ver) {
        if v.flexible {
            self.buf.push(0);
        } else {
            self.put(&(-1i32).to_be_bytes());
        }
    }

    /// The length of a byte field or array.
    pub(super) fn len32(&mut self, n: usize, v: Ver) -> Result<(), EncodeError> {
        let n = i32::try_from(n).map_err(|_| EncodeError::TooLong(n))?;
        if v.flexible {
            self.uvarint(n as u32 + 1);
        } else {
            self.put(&n.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn str(&mut self, text: Option<&str>, v: Ver) -> Result<(), EncodeError> {
        let Some(text) = text else {
            if v.flexible {
                self.buf.push(0);
            } else {
                self.put(&(-1i16).to_be_bytes());
            }
            return Ok(());
        };
        if text.len() > MAX_STR {
            return Err(EncodeError::TextTooLong(text.len()));
        }
        if v.flexible {
            self.uvarint(text.len() as u32 + 1);
        } else {
            self.put(&(text.len() as i16).to_be_bytes());
        }
        self.put(text.as_bytes());
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: Option<&Bytes>, v: Ver) -> Result<(), EncodeError> {
        let Some(bytes) = bytes else {
            self.null(v);
            return Ok(());
        };
        self.len32(bytes.len(), v)?;
        if bytes.len() < SHARE_FROM || self.in_tag > 0 {
            self.put(bytes);
        } else {
            self.share(Segment::Bytes(bytes.clone()));
        }
        Ok(())
    }

    pub(super) fn records(&mut self, records: &Records, v: Ver) -> Result<(), EncodeError> {
        match records {
            Records::Null => self.null(v),
            Records::Bytes(bytes) => self.bytes(Some(bytes), v)?,
            Records::Region(region) => {
                self.len32(region.len, v)?;
                if region.len > 0 {
                    self.share(Segment::Region(region.clone()));
                }
            }
        }
        Ok(())
    }

    pub(super) fn slice<T: Wire>(&mut self, items: &[T], v: Ver) -> Result<(), EncodeError> {
        self.len32(items.len(), v)?;
        for item in items {
            item.write(self, v)?;
        }
        Ok(())
    }

    pub(super) fn uuid(&mut self, id: Uuid) {
        self.put(&id.0);
    }

    /// Starts the tagged fields of a struct: `known` of its own will follow.
    pub(super) fn begin_tags(&mut self, known: u32, unknown: &Tags) {
        self.uvarint(known + unknown.as_slice().len() as u32);
    }

    /// Starts one tagged field, after the unknown ones with lower tags; `next` counts those
    /// written. Gives the place where the field's value begins.
    pub(super) fn begin_tag(&mut self, tag: u32, unknown: &Tags, next: &mut usize) -> usize {
        self.unknown_tags_below(Some(tag), unknown, next);
        self.uvarint(tag);
        self.in_tag += 1;
        self.buf.len()
    }

    /// Puts the length before the value that began at `start`.
    pub(super) fn end_tag(&mut self, start: usize) -> Result<(), EncodeError> {
        self.in_tag -= 1;
        let n = self.buf.len() - start;
        let n = u32::try_from(n).map_err(|_| EncodeError::TooLong(n))?;
        let (bytes, len) = uvarint_bytes(n);
        self.buf.splice(start..start, bytes[..len].iter().copied());
        Ok(())
    }

    /// Writes the unknown tagged fields that are left.
    pub(super) fn end_tags(&mut self, unknown: &Tags, next: &mut usize) {
        self.unknown_tags_below(None, unknown, next);
    }

    fn unknown_tags_below(&mut self, tag: Option<u32>, unknown: &Tags, next: &mut usize) {
        for field in &unknown.as_slice()[*next..] {
            if tag.is_some_and(|tag| field.tag >= tag) {
                break;
            }
            self.uvarint(field.tag);
            self.uvarint(field.data.len() as u32);
            self.put(&field.data);
            *next += 1;
        }
    }

    /// The pieces as they are.
    pub fn finish(self) -> FrameOut {
        if self.shared.is_empty() {
            return FrameOut::from(Bytes::from(self.buf));
        }
        let buf = Bytes::from(self.buf);
        let mut segments = Vec::with_capacity(self.shared.len() * 2 + 1);
        let mut from = 0;
        for (at, segment) in self.shared {
            if at > from {
                segments.push(Segment::Bytes(buf.slice(from..at)));
                from = at;
            }
            segments.push(segment);
        }
        if from < buf.len() {
            segments.push(Segment::Bytes(buf.slice(from..)));
        }
        FrameOut::new(segments)
    }

    /// Starts a frame: room for its length, which [`Self::finish_frame`] fills in.
    pub fn frame() -> Self {
        let mut e = Self::new();
        e.put(&[0; 4]);
        e
    }

    /// Ends what [`Self::frame`] began.
    pub fn finish_frame(mut self) -> Result<FrameOut, EncodeError> {
        let n = self.len().saturating_sub(4);
        let n = i32::try_from(n).map_err(|_| EncodeError::TooLong(n))?;
        if let Some(prefix) = self.buf.first_chunk_mut::<4>() {
            *prefix = n.to_be_bytes();
        }
        Ok(self.finish())
    }
}

fn uvarint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut n = 0;
    while value >= 0x80 {
        bytes[n] = value as u8 | 0x80;
        value >>= 7;
        n += 1;
    }
    bytes[n] = value as u8;
    (bytes, n + 1)
}
