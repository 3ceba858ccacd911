//! Headers of requests and responses (Java: `RequestHeader`, `ResponseHeader`).
//!
//! A request's header version follows from its key and version, so those two are read first.

use super::api_key::ApiKey;
use super::decode::Decoder;
use super::encode::{EncodeError, Encoder};
use super::types::{Str, Tags};
use super::wire::{Nullable, Ver, Wire};
use crate::buf::ReadError;

/// The start of every request, which says how the rest is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Absent in header version 0.
    pub client_id: Option<Str>,
    pub unknown_tags: Tags,
}

/// Why a frame's header could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("unknown API key {0}")]
    UnknownApiKey(i16),
    #[error("request header: {0}")]
    Read(#[from] ReadError),
}

const PLAIN: Ver = Ver {
    version: 0,
    flexible: false,
};

impl RequestHeader {
    /// Reads the header. The version may be one that we do not know: an ApiVersions request of a
    /// later Kafka must still be answered, by its correlation id.
    pub fn read(d: &mut Decoder<'_>) -> Result<Self, HeaderError> {
        let key = i16::read(d, PLAIN)?;
        let api_version = i16::read(d, PLAIN)?;
        let api_key = ApiKey::try_from(key).map_err(HeaderError::UnknownApiKey)?;
        let header_version = api_key.request_header_version(api_version);
        let correlation_id = i32::read(d, PLAIN)?;
        let mut client_id = None;
        let mut unknown_tags = Tags::default();
        if header_version >= 1 {
            // Stays in the old form in flexible headers, so that any broker can read it.
            client_id = Str::read_opt(d, PLAIN)?;
        }
        if header_version >= 2 {
            unknown_tags = d.tags(&mut |_, _| Ok(false))?;
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
            unknown_tags,
        })
    }

    pub fn write(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        let header_version = self.api_key.request_header_version(self.api_version);
        e.put(&(self.api_key as i16).to_be_bytes());
        e.put(&self.api_version.to_be_bytes());
        e.put(&self.correlation_id.to_be_bytes());
        if header_version >= 1 {
            e.str(self.client_id.as_deref(), PLAIN)?;
        }
        if header_version >= 2 {
            write_tags(&self.unknown_tags, e);
        }
        Ok(())
    }
}

/// The start of every response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseHeader {
    pub correlation_id: i32,
    pub unknown_tags: Tags,
}

impl ResponseHeader {
    pub fn new(correlation_id: i32) -> Self {
        Self {
            correlation_id,
            unknown_tags: Tags::default(),
        }
    }

    /// `header_version`: see [`ApiKey::response_header_version`].
    pub fn read(d: &mut Decoder<'_>, header_version: i16) -> Result<Self, ReadError> {
        let mut header = Self::new(i32::read(d, PLAIN)?);
        if header_version >= 1 {
            header.unknown_tags = d.tags(&mut |_, _| Ok(false))?;
        }
        Ok(header)
    }

    pub fn write(&self, e: &mut Encoder, header_version: i16) {
        e.put(&self.correlation_id.to_be_bytes());
        if header_version >= 1 {
            write_tags(&self.unknown_tags, e);
        }
    }
}

fn write_tags(tags: &Tags, e: &mut Encoder) {
    e.begin_tags(0, tags);
    e.end_tags(tags, &mut 0);
}
