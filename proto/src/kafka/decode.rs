//! Reading values from a frame. Byte and text fields come out as slices that share the frame's
//! memory, which is why this is not [`crate::buf::Reader`].
//!
//! Never panics; never makes room for more than the bytes left can fill. Java: `ByteBufferAccessor`
//! and the generated `read` methods.

use bytes::Bytes;

use super::types::{Records, Str, TaggedField, Tags, Uuid};
use super::wire::{Ver, Wire};
use crate::buf::ReadError;

/// Longest text that the protocol allows in either encoding.
pub const MAX_STR: usize = i16::MAX as usize;

/// A cursor over one frame (without its length prefix) or a part of it.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    frame: &'a Bytes,
    at: usize,
    end: usize,
    /// bytes of memory that elements of arrays may still take
    room: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(frame: &'a Bytes) -> Self {
        Self {
            frame,
            at: 0,
            end: frame.len(),
            room: usize::MAX,
        }
    }

    /// One that refuses arrays whose elements take more than `room` bytes of memory in all: an element
    /// of one byte in the frame becomes a hundred here.
    pub fn bounded(frame: &'a Bytes, room: usize) -> Self {
        Self {
            room,
            ..Self::new(frame)
        }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Passes over `n` bytes and gives their place in the frame.
    fn advance(&mut self, n: usize) -> Result<usize, ReadError> {
        let left = self.remaining();
        if n > left {
            return Err(ReadError::Truncated { needed: n, left });
        }
        let start = self.at;
        self.at += n;
        Ok(start)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let start = self.advance(N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.frame[start..start + N]);
        Ok(out)
    }

    /// Exactly `n` bytes as a slice of the frame.
    pub fn bytes(&mut self, n: usize) -> Result<Bytes, ReadError> {
        let start = self.advance(n)?;
        Ok(self.frame.slice(start..start + n))
    }

    pub fn uvarint(&mut self) -> Result<u32, ReadError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReadError::Invalid("varint: longer than five bytes"))
    }

    /// A length plus one, where zero is null.
    fn compact_len(&mut self) -> Result<Option<usize>, ReadError> {
        Ok(self.uvarint()?.checked_sub(1).map(|n| n as usize))
    }

    /// Any negative length is null, as Java takes it.
    fn len32(&mut self, v: Ver) -> Result<Option<usize>, ReadError> {
        if v.flexible {
            return self.compact_len();
        }
        Ok(usize::try_from(i32::from_be_bytes(self.array()?)).ok())
    }

    fn len16(&mut self, v: Ver) -> Result<Option<usize>, ReadError> {
        if v.flexible {
            return self.compact_len();
        }
        Ok(usize::try_from(i16::from_be_bytes(self.array()?)).ok())
    }

    pub(super) fn opt_str(&mut self, v: Ver) -> Result<Option<Str>, ReadError> {
        let Some(n) = self.len16(v)? else {
            return Ok(None);
        };
        if n > MAX_STR {
            return Err(ReadError::BadLength(n as i64));
        }
        let bytes = self.bytes(n)?;
        Str::try_from(bytes)
            .map(Some)
            .map_err(|_| ReadError::BadUtf8)
    }

    pub(super) fn opt_bytes(&mut self, v: Ver) -> Result<Option<Bytes>, ReadError> {
        match self.len32(v)? {
            None => Ok(None),
            Some(n) => self.bytes(n).map(Some),
        }
    }

    pub(super) fn opt_vec<T: Wire>(&mut self, v: Ver) -> Result<Option<Vec<T>>, ReadError> {
        let Some(n) = self.len32(v)? else {
            return Ok(None);
        };
        let left = self.remaining();
        // Every element takes at least one byte.
        if n > left {
            return Err(ReadError::Truncated { needed: n, left });
        }
        self.room = n
            .checked_mul(size_of::<T>())
            .and_then(|taken| self.room.checked_sub(taken))
            .ok_or(ReadError::Invalid(
                "array: too many elements in one message",
            ))?;
        // The count is only a claim: room is made for what `left` bytes of memory hold, then
        // grows with the elements that really come.
        let room = left / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(n.min(room.max(1)));
        for _ in 0..n {
            items.push(T::read(self, v)?);
        }
        Ok(Some(items))
    }

    pub(super) fn records(&mut self, v: Ver) -> Result<Records, ReadError> {
        Ok(self.opt_bytes(v)?.map_or(Records::Null, Records::Bytes))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, ReadError> {
        self.array().map(Uuid)
    }

    /// Reads the tagged fields at the end of a struct. `known` takes a tag and the field's bytes
    /// and says whether it is one of the struct's own; the others are given back.
    pub(super) fn tags(
        &mut self,
        known: &mut dyn FnMut(u32, &mut Decoder<'a>) -> Result<bool, ReadError>,
    ) -> Result<Tags, ReadError> {
        let mut unknown = Vec::new();
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let len = self.uvarint()? as usize;
            let start = self.advance(len)?;
            let mut field = Decoder {
                frame: self.frame,
                at: start,
                end: start + len,
                room: self.room,
            };
            let known = known(tag, &mut field)?;
            self.room = field.room;
            if !known {
                let data = self.frame.slice(start..start + len);
                unknown.push(TaggedField { tag, data });
            }
        }
        Ok(Tags::from_wire(unknown))
    }
}
