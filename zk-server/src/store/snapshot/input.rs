//! A snapshot's bytes with the running checksum that its seals are compared with.
//!
//! Memory grows with the bytes that have come, never with a length that was read.

use std::io::{self, Read};

use simd_adler32::Adler32;

const CHUNK: usize = 256 << 10;

pub(super) struct Input {
    source: Box<dyn Read>,
    buf: Vec<u8>,
    /// consumed up to here
    start: usize,
    /// filled up to here
    end: usize,
    /// in the checksum up to here
    summed: usize,
    adler: Adler32,
}

impl Input {
    pub(super) fn new(source: Box<dyn Read>) -> Self {
        Self {
            source,
            buf: vec![0; CHUNK],
            start: 0,
            end: 0,
            summed: 0,
            adler: Adler32::new(),
        }
    }

    /// The next `n` bytes, not consumed.
    pub(super) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.end - self.start < n {
            if self.end == self.buf.len() {
                self.make_room();
            }
            let got = match self.source.read(&mut self.buf[self.end..]) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if got == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file ends too early",
                ));
            }
            self.end += got;
        }
        Ok(&self.buf[self.start..self.start + n])
    }

    /// Drops what is consumed; doubles the buffer when all of it is still needed.
    fn make_room(&mut self) {
        self.sum_up();
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        self.summed = 0;
        if self.end == self.buf.len() {
            let double = self.buf.len() * 2;
            self.buf.resize(double, 0);
        }
    }

    fn sum_up(&mut self) {
        self.adler.write(&self.buf[self.summed..self.start]);
        self.summed = self.start;
    }

    /// Consumes what was peeked at.
    pub(super) fn consume(&mut self, n: usize) {
        self.start += n;
    }

    pub(super) fn i32(&mut self) -> io::Result<i32> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.peek(4)?);
        self.consume(4);
        Ok(i32::from_be_bytes(bytes))
    }

    pub(super) fn i64(&mut self) -> io::Result<i64> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.peek(8)?);
        self.consume(8);
        Ok(i64::from_be_bytes(bytes))
    }

    /// A `ustring`; Java reads broken UTF-8 with replacement characters too.
    pub(super) fn string(&mut self) -> io::Result<String> {
        let n = match self.i32()? {
            -1 => 0,
            n => usize::try_from(n).map_err(|_| bad("a text's length is negative"))?,
        };
        let text = String::from_utf8_lossy(self.peek(n)?).into_owned();
        self.consume(n);
        Ok(text)
    }

    /// Bytes that are left, counted up to `limit`.
    pub(super) fn left(&mut self, limit: usize) -> io::Result<usize> {
        match self.peek(limit) {
            Ok(_) => Ok(limit),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(self.end - self.start),
            Err(e) => Err(e),
        }
    }

    /// adler32 of everything consumed so far.
    pub(super) fn checksum(&mut self) -> i64 {
        self.sum_up();
        i64::from(self.adler.clone().finish())
    }
}

pub(super) fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
