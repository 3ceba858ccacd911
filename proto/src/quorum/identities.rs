//! What the client of a forwarded request has proved: a list of scheme and id, as it is on the wire
//! (Java: `QuorumPacket.authinfo`). A leader gets it with every request, mostly the same: it is
//! compared and passed on as bytes, and read where it is new.

use bytes::Bytes;

use crate::buf::{ReadError, Reader};
use crate::jute::Jute;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    count: u32,
    /// scheme, id, scheme, id; readable
    pairs: Bytes,
}

impl Identities {
    pub fn collect<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut count, mut bytes) = (0, Vec::new());
        for (scheme, id) in pairs {
            bytes.reserve(8 + scheme.len() + id.len());
            scheme.write(&mut bytes);
            id.write(&mut bytes);
            count += 1;
        }
        Self {
            count,
            pairs: bytes.into(),
        }
    }

    /// `packet` goes on from its byte `at` with the number of pairs, and ends with the last one.
    pub(super) fn read(packet: &Bytes, at: usize) -> Result<Self, ReadError> {
        let mut r = Reader::new(packet);
        r.take(at)?;
        let count = r.i32()?.max(0) as u32;
        let from = r.position();
        if count == 0 {
            return Ok(Self::default());
        }
        for _ in 0..count {
            <&str>::read(&mut r)?;
            <&str>::read(&mut r)?;
        }
        Ok(Self {
            count,
            pairs: packet.slice(from..r.position()),
        })
    }

    /// The number of pairs, and the pairs.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        (self.count as i32).write(out);
        out.extend_from_slice(&self.pairs);
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut r = Reader::new(&self.pairs);
        std::iter::from_fn(move || {
            let scheme = <&str>::read(&mut r).ok()?;
            Some((scheme, <&str>::read(&mut r).ok()?))
        })
    }

    /// The same, without the frame that it was read from.
    pub fn detached(&self) -> Self {
        Self {
            count: self.count,
            pairs: Bytes::copy_from_slice(&self.pairs),
        }
    }
}
