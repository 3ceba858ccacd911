//! How each field type reads and writes itself, and what every message can do.
//!
//! A type's form depends on the message's version only through [`Ver`]; which fields a version has
//! is the business of the `messages!` macro. Java: `org.apache.kafka.common.protocol.Message`.

use bytes::Bytes;

use super::decode::Decoder;
use super::encode::{EncodeError, Encoder};
use super::error::ErrorCode;
use super::types::{Records, Str, Uuid};
use crate::buf::ReadError;

/// The version being read or written, and whether it is flexible (KIP-482: compact lengths and
/// tagged fields).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ver {
    pub version: i16,
    pub flexible: bool,
}

/// Versions from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    pub fn contains(&self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// A value with a wire form.
pub trait Wire: Sized {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError>;
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError>;

    /// A random value that version `v` can carry.
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, v: Ver) -> Self;
}

/// A value whose wire form can be null. The default is that of structs: a byte, -1 for null.
pub trait Nullable: Wire {
    fn read_opt(d: &mut Decoder<'_>, v: Ver) -> Result<Option<Self>, ReadError> {
        if i8::read(d, v)? < 0 {
            return Ok(None);
        }
        Self::read(d, v).map(Some)
    }

    fn write_opt(value: Option<&Self>, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        match value {
            None => (-1i8).write(e, v),
            Some(value) => {
                1i8.write(e, v)?;
                value.write(e, v)
            }
        }
    }
}

impl<T: Nullable> Wire for Option<T> {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError> {
        T::read_opt(d, v)
    }
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        T::write_opt(self.as_ref(), e, v)
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, v: Ver) -> Self {
        s.option(|s| T::sample(s, v))
    }
}

/// A whole request, response, header or stored record: what has a range of versions.
pub trait Message: Wire + Default {
    const NAME: &'static str;
    const VERSIONS: VersionRange;
    /// First flexible version; past the last one if there is none.
    const FLEXIBLE_FROM: i16;

    fn ver(version: i16) -> Ver {
        Ver {
            version,
            flexible: version >= Self::FLEXIBLE_FROM,
        }
    }

    /// Reads the message; what follows it in the frame is left alone, as Java does.
    fn decode(d: &mut Decoder<'_>, version: i16) -> Result<Self, ReadError> {
        if !Self::VERSIONS.contains(version) {
            return Err(ReadError::Invalid("version of the message"));
        }
        Self::read(d, Self::ver(version))
    }

    fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if !Self::VERSIONS.contains(version) {
            return Err(EncodeError::Version {
                message: Self::NAME,
                version,
            });
        }
        self.write(e, Self::ver(version))
    }

    /// The message alone, in one piece.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut e = Encoder::new();
        self.encode(&mut e, version)?;
        let len = e.len();
        e.finish().into_bytes().ok_or(EncodeError::TooLong(len))
    }

    /// The message alone, from the start of `bytes`.
    fn from_bytes(bytes: &Bytes, version: i16) -> Result<Self, ReadError> {
        Self::decode(&mut Decoder::new(bytes), version)
    }
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn read(d: &mut Decoder<'_>, _: Ver) -> Result<Self, ReadError> {
                d.array().map(Self::from_be_bytes)
            }
            fn write(&self, e: &mut Encoder, _: Ver) -> Result<(), EncodeError> {
                e.put(&self.to_be_bytes());
                Ok(())
            }
            #[cfg(test)]
            fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
                s.number() as Self
            }
        }
    )*};
}
numbers!(i8, i16, u16, i32, u32, i64, f64);

impl Wire for bool {
    fn read(d: &mut Decoder<'_>, _: Ver) -> Result<Self, ReadError> {
        Ok(d.array::<1>()? != [0])
    }
    fn write(&self, e: &mut Encoder, _: Ver) -> Result<(), EncodeError> {
        e.put(&[u8::from(*self)]);
        Ok(())
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        s.number() & 1 == 1
    }
}

impl Wire for ErrorCode {
    fn read(d: &mut Decoder<'_>, _: Ver) -> Result<Self, ReadError> {
        d.array().map(|b| Self(i16::from_be_bytes(b)))
    }
    fn write(&self, e: &mut Encoder, _: Ver) -> Result<(), EncodeError> {
        e.error(*self);
        Ok(())
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        Self(s.number() as i16)
    }
}

impl Wire for Uuid {
    fn read(d: &mut Decoder<'_>, _: Ver) -> Result<Self, ReadError> {
        d.uuid()
    }
    fn write(&self, e: &mut Encoder, _: Ver) -> Result<(), EncodeError> {
        e.uuid(*self);
        Ok(())
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        Self((u128::from(s.number() as u64) << 3).to_be_bytes())
    }
}

impl Wire for Records {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError> {
        d.records(v)
    }
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.records(self, v)
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        s.option(|s| s.bytes()).map_or(Self::Null, Self::Bytes)
    }
}

const NULL: ReadError = ReadError::Invalid("null in a field that cannot be null");

impl Wire for Str {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError> {
        d.opt_str(v)?.ok_or(NULL)
    }
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.str(Some(self), v)
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        s.text()
    }
}

impl Nullable for Str {
    fn read_opt(d: &mut Decoder<'_>, v: Ver) -> Result<Option<Self>, ReadError> {
        d.opt_str(v)
    }
    fn write_opt(value: Option<&Self>, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.str(value.map(Self::as_str), v)
    }
}

impl Wire for Bytes {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError> {
        d.opt_bytes(v)?.ok_or(NULL)
    }
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.bytes(Some(self), v)
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, _: Ver) -> Self {
        s.bytes()
    }
}

impl Nullable for Bytes {
    fn read_opt(d: &mut Decoder<'_>, v: Ver) -> Result<Option<Self>, ReadError> {
        d.opt_bytes(v)
    }
    fn write_opt(value: Option<&Self>, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.bytes(value, v)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(d: &mut Decoder<'_>, v: Ver) -> Result<Self, ReadError> {
        d.opt_vec(v)?.ok_or(NULL)
    }
    fn write(&self, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        e.slice(self, v)
    }
    #[cfg(test)]
    fn sample(s: &mut super::tests::sample::Sampler, v: Ver) -> Self {
        s.vec(|s| T::sample(s, v))
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn read_opt(d: &mut Decoder<'_>, v: Ver) -> Result<Option<Self>, ReadError> {
        d.opt_vec(v)
    }
    fn write_opt(value: Option<&Self>, e: &mut Encoder, v: Ver) -> Result<(), EncodeError> {
        match value {
            None => e.null(v),
            Some(items) => e.slice(items, v)?,
        }
        Ok(())
    }
}

/// Refuses a null that came in a version where the field cannot be null.
pub(super) fn check_read<T>(value: &Option<T>, may_be_null: bool) -> Result<(), ReadError> {
    if value.is_none() && !may_be_null {
        return Err(NULL);
    }
    Ok(())
}

/// Refuses to write a null in a version where the field cannot be null.
pub(super) fn check_write<T>(
    value: &Option<T>,
    may_be_null: bool,
    field: &'static str,
    v: Ver,
) -> Result<(), EncodeError> {
    if value.is_none() && !may_be_null {
        return Err(EncodeError::NullNotInVersion {
            field,
            version: v.version,
        });
    }
    Ok(())
}

/// A version that is not flexible has no room for tagged fields.
pub(super) fn no_tags(tags: &super::types::Tags) -> Result<(), EncodeError> {
    if tags.is_empty() {
        return Ok(());
    }
    Err(EncodeError::TagsNotInVersion)
}

/// Whether a field is set to something else than its default.
pub(super) fn differs<T: PartialEq>(value: &T, default: T) -> bool {
    *value != default
}
