//! A checked reader over bytes that came from a peer or a file.
//!
//! Never panics and never allocates by a length it read: a length is compared with the bytes left
//! first. Both protocols are big-endian (Java's `DataInput`).

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Fewer bytes are left than the value needs (Java: `EOFException`).
    #[error("unexpected end of data: {needed} bytes needed, {left} left")]
    Truncated { needed: usize, left: usize },
    /// A length or count that no such value can have.
    #[error("length {0} is out of range")]
    BadLength(i64),
    /// Text that is not UTF-8.
    #[error("text is not valid UTF-8")]
    BadUtf8,
    /// A value outside its domain, named by what was being read.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// A cursor over borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes not read yet, without consuming them.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Consumes exactly `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], ReadError> {
        let left = self.remaining();
        if n > left {
            return Err(ReadError::Truncated { needed: n, left });
        }
        let slice = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn i8(&mut self) -> Result<i8, ReadError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    pub fn i16(&mut self) -> Result<i16, ReadError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn i32(&mut self) -> Result<i32, ReadError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64, ReadError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub fn f64(&mut self) -> Result<f64, ReadError> {
        Ok(f64::from_be_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_past_the_end_is_an_error() {
        let mut r = Reader::new(&[0, 0, 0, 7, 1]);
        assert_eq!(r.i32(), Ok(7));
        assert_eq!(r.take(7), Err(ReadError::Truncated { needed: 7, left: 1 }));
        assert_eq!(r.u8(), Ok(1));
        assert!(r.is_empty());
    }
}
