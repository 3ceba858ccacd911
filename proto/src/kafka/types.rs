//! The field types of Kafka's schema that Rust has no equal for: text, ids, record data, tags.
//!
//! Text and bytes are views of the frame they came in; [`Str::detach`] copies what must outlive it.
//! Java: `String`, `org.apache.kafka.common.Uuid`, `BaseRecords`, `RawTaggedField`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use bytestring::ByteString;

/// Text that shares the frame's memory: cloning is a reference count, decoding only checks UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Str(ByteString);

impl Str {
    pub const EMPTY: Self = Self::from_static("");

    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// A copy that no longer keeps the frame alive: for what is stored beyond the request.
    pub fn detach(&self) -> Self {
        Self::from(self.as_str())
    }
}

impl TryFrom<Bytes> for Str {
    type Error = std::str::Utf8Error;
    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        ByteString::try_from(bytes).map(Self)
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<&Str> for Str {
    fn from(text: &Str) -> Self {
        text.clone()
    }
}

impl From<Str> for String {
    fn from(text: Str) -> Self {
        text.as_str().to_owned()
    }
}

impl std::ops::Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Equal hash and order with `str`, so maps keyed by `Str` are searched by `&str`.
impl std::borrow::Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Str {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A 128-bit id; shown, and kept in files and znodes, as unpadded URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// "No id", the value that topics had before ids existed.
    pub const ZERO: Self = Self([0; 16]);
    /// The id of the metadata topic; reserved.
    pub const ONE: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 24];
        let n = URL_SAFE_NO_PAD
            .encode_slice(self.0, &mut text)
            .map_err(|_| fmt::Error)?;
        f.pad(std::str::from_utf8(&text[..n]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no [`Uuid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Kafka id: 22 characters of URL-safe base64 are needed")]
pub struct UuidError;

impl std::str::FromStr for Uuid {
    type Err = UuidError;
    fn from_str(text: &str) -> Result<Self, UuidError> {
        // Java accepts padding too, and refuses anything longer than the padded form.
        let text = text.trim_end_matches('=');
        let mut id = [0; 18];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut id) {
            Ok(16) => {}
            _ => return Err(UuidError),
        }
        let mut out = [0; 16];
        out.copy_from_slice(&id[..16]);
        Ok(Self(out))
    }
}

/// A piece of a file that the transport sends by itself (sendfile), or reads and encrypts.
///
/// The codec knows only its length; `file` is whatever the log layer and the network layer agreed
/// on, taken out with [`Any::downcast_ref`].
#[derive(Clone)]
pub struct Region {
    pub file: Arc<dyn Any + Send + Sync>,
    pub position: u64,
    pub len: usize,
    /// written a moment ago: sending it does not wait for the disk
    pub in_memory: bool,
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({} bytes at {})", self.len, self.position)
    }
}

impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && self.position == other.position
            && self.len == other.len
    }
}

/// A field of type `records`: decoded as a slice of the frame, encoded from memory or from a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Records {
    #[default]
    Null,
    Bytes(Bytes),
    Region(Region),
}

impl Records {
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Bytes(bytes) => bytes.len(),
            Self::Region(region) => region.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in memory; none for null and for a region of a file.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Region(_) => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Region> for Records {
    fn from(region: Region) -> Self {
        Self::Region(region)
    }
}

/// A tagged field that this version of the schema does not know, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedField {
    pub tag: u32,
    pub data: Bytes,
}

/// Unknown tagged fields of one struct, by rising tag. One word when there are none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tags(Option<Box<TagList>>);

#[derive(Clone, PartialEq, Eq, Default)]
struct TagList(Vec<TaggedField>);

impl Tags {
    pub fn as_slice(&self) -> &[TaggedField] {
        self.0.as_ref().map_or(&[], |list| &list.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Fields in any order, as a peer may send them; of two with one tag the later stays.
    pub(super) fn from_wire(mut fields: Vec<TaggedField>) -> Self {
        if fields.is_empty() {
            return Self::default();
        }
        if !fields.is_sorted_by(|a, b| a.tag < b.tag) {
            fields.sort_by_key(|f| f.tag);
            fields.reverse();
            fields.dedup_by_key(|f| f.tag);
            fields.reverse();
        }
        Self(Some(Box::new(TagList(fields))))
    }

    /// Adds a field, in order of tags; of two with one tag the later stays.
    pub fn insert(&mut self, field: TaggedField) {
        let list = &mut self.0.get_or_insert_default().0;
        match list.binary_search_by_key(&field.tag, |f| f.tag) {
            Ok(at) => list[at] = field,
            Err(at) => list.insert(at, field),
        }
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.as_slice().iter().map(|t| (t.tag, &t.data)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_is_url_safe_base64() {
        // Value and text as Java's Uuid.toString gives them.
        let id = Uuid([0xff; 16]);
        assert_eq!(id.to_string(), "_____________________w");
        assert_eq!("_____________________w".parse(), Ok(id));
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAA".parse(), Ok(Uuid::ZERO));
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAAAA".parse::<Uuid>(), Err(UuidError));
        assert_eq!("short".parse::<Uuid>(), Err(UuidError));
    }

    #[test]
    fn unknown_tags_stay_sorted() {
        let mut tags = Tags::default();
        for tag in [7, 2, 5, 2] {
            tags.insert(TaggedField {
                tag,
                data: Bytes::new(),
            });
        }
        let order: Vec<u32> = tags.as_slice().iter().map(|f| f.tag).collect();
        assert_eq!(order, [2, 5, 7]);
        let field = |tag, data| TaggedField {
            tag,
            data: Bytes::from_static(data),
        };
        let tags = Tags::from_wire(vec![field(3, b"a"), field(1, b"b"), field(3, b"c")]);
        assert_eq!(tags.as_slice(), [field(1, b"b"), field(3, b"c")]);
    }
}
