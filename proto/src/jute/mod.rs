//! Jute, ZooKeeper's record format (Java: `BinaryInputArchive`, `BinaryOutputArchive`).
//!
//! Integers are big-endian; a `ustring`, a `buffer` and a `vector` carry an `i32` length, where -1
//! stands for Java's null. Records borrow from the bytes they were read from; what must outlive
//! those is copied by whoever keeps it.

use crate::buf::{ReadError, Reader};

/// A value with a jute form.
pub trait Jute<'a>: Sized {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError>;
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one record from the start of `bytes`; what follows it is ignored, as Java does.
    fn from_bytes(bytes: &'a [u8]) -> Result<Self, ReadError> {
        Self::read(&mut Reader::new(bytes))
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

macro_rules! fixed {
    ($($t:ty => $read:ident),*) => {$(
        impl<'a> Jute<'a> for $t {
            fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
                r.$read()
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
fixed!(i32 => i32, i64 => i64);

impl<'a> Jute<'a> for bool {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        Ok(r.u8()? != 0)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

/// A `buffer`: `None` is Java's null.
impl<'a> Jute<'a> for Option<&'a [u8]> {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        match r.i32()? {
            -1 => Ok(None),
            n => {
                let n = usize::try_from(n).map_err(|_| ReadError::BadLength(n.into()))?;
                r.take(n).map(Some)
            }
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => (-1i32).write(out),
            Some(bytes) => {
                (bytes.len() as i32).write(out);
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// A `ustring`. Null reads as the empty string, which no path, scheme or id can be.
impl<'a> Jute<'a> for &'a str {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let bytes = Option::<&[u8]>::read(r)?.unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| ReadError::BadUtf8)
    }
    fn write(&self, out: &mut Vec<u8>) {
        Some(self.as_bytes()).write(out);
    }
}

/// A `ustring` where null means something of its own.
impl<'a> Jute<'a> for Option<&'a str> {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let text = Option::<&[u8]>::read(r)?.map(std::str::from_utf8);
        text.transpose().map_err(|_| ReadError::BadUtf8)
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.map(str::as_bytes).write(out);
    }
}

/// A `vector`. Null reads as empty; every element takes at least one byte, so a count is checked
/// against the bytes left before room is made for it.
impl<'a, T: Jute<'a>> Jute<'a> for Vec<T> {
    fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let n = match r.i32()? {
            -1 => 0,
            n => usize::try_from(n).map_err(|_| ReadError::BadLength(n.into()))?,
        };
        if n > r.remaining() {
            return Err(ReadError::Truncated {
                needed: n,
                left: r.remaining(),
            });
        }
        let mut items = Self::with_capacity(n.min(1024));
        for _ in 0..n {
            items.push(T::read(r)?);
        }
        Ok(items)
    }
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as i32).write(out);
        for item in self {
            item.write(out);
        }
    }
}

/// Declares jute records: fields in wire order, each of a type that is [`Jute`].
#[macro_export]
macro_rules! jute_records {
    ($(
        $(#[$meta:meta])*
        struct $name:ident $(<$lt:lifetime>)? {
            $( $(#[$fmeta:meta])* $field:ident : $ty:ty ),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name $(<$lt>)? {
            $( $(#[$fmeta])* pub $field: $ty ),*
        }
        $crate::jute_records!(@codec $name [$($lt)?] $($field)*);
    )*};
    (@codec $name:ident [] $($field:ident)*) => {
        impl<'r> $crate::jute::Jute<'r> for $name {
            $crate::jute_records!(@body 'r $($field)*);
        }
    };
    (@codec $name:ident [$lt:lifetime] $($field:ident)*) => {
        impl<$lt> $crate::jute::Jute<$lt> for $name<$lt> {
            $crate::jute_records!(@body $lt $($field)*);
        }
    };
    (@body $lt:lifetime $($field:ident)*) => {
        fn read(r: &mut $crate::buf::Reader<$lt>) -> Result<Self, $crate::buf::ReadError> {
            let _ = &r;
            $( let $field = $crate::jute::Jute::read(r)?; )*
            Ok(Self { $($field),* })
        }
        fn write(&self, out: &mut Vec<u8>) {
            let _ = &out;
            $( $crate::jute::Jute::write(&self.$field, out); )*
        }
    };
}
