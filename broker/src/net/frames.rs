//! Finds size-prefixed requests in the bytes of a connection, and names what is no Kafka client.
//! Never reads a socket, never allocates by a size from the wire. Mirrors
//! org.apache.kafka.common.network.NetworkReceive.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the size in front of each request.
const PREFIX: usize = 4;

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("an HTTP request: this is a Kafka listener")]
    Http,
    #[error(
        "a TLS hello: this listener is PLAINTEXT (set security.protocol=PLAINTEXT in the client)"
    )]
    Tls,
    #[error("a request of {0} bytes, a size that no request can have")]
    Negative(i32),
    #[error("a request of {size} bytes, more than socket.request.max.bytes={max}")]
    TooLarge { size: usize, max: usize },
}

/// What stands at the start of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// not even a size yet
    Unknown,
    /// a request of this many bytes, whose last byte may still be on its way
    Request(usize),
}

/// Looks at the size at the start of `buf`.
pub(super) fn next(buf: &[u8], max: usize) -> Result<Next, FrameError> {
    let Some(prefix) = buf.first_chunk::<PREFIX>() else {
        return Ok(Next::Unknown);
    };
    if matches!(
        prefix,
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"DELE" | b"CONN" | b"PRI "
    ) {
        return Err(FrameError::Http);
    }
    if prefix.starts_with(&[0x16, 0x03]) && prefix[2] <= 4 {
        return Err(FrameError::Tls);
    }
    let size = i32::from_be_bytes(*prefix);
    let Ok(size) = usize::try_from(size) else {
        return Err(FrameError::Negative(size));
    };
    if size > max {
        return Err(FrameError::TooLarge { size, max });
    }
    Ok(Next::Request(size))
}

/// Whether the request that [`next`] found is complete.
pub(super) fn is_complete(buf: &[u8], size: usize) -> bool {
    buf.len() >= PREFIX + size
}

/// Takes the request that [`next`] found, once it is complete.
pub(super) fn take(buf: &mut BytesMut, size: usize) -> Bytes {
    buf.advance(PREFIX);
    buf.split_to(size).freeze()
}

/// How much room to make for the rest of a request of `size`: at most as much again as has come
/// already, so that memory follows what was sent and not what was announced.
pub(super) fn room(buffered: usize, size: usize) -> usize {
    const FIRST: usize = 64 * 1024;
    (PREFIX + size)
        .saturating_sub(buffered)
        .min(buffered.max(FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_requests_as_they_complete() {
        let mut buf = BytesMut::from(&[0, 0, 0, 2, 7][..]);
        assert_eq!(next(&buf, 10), Ok(Next::Request(2)));
        assert!(!is_complete(&buf, 2));
        buf.extend_from_slice(&[8, 0, 0]);
        assert!(is_complete(&buf, 2));
        assert_eq!(take(&mut buf, 2), &[7, 8][..]);
        assert_eq!(next(&buf, 10), Ok(Next::Unknown));
    }

    #[test]
    fn names_what_is_not_kafka() {
        assert_eq!(next(b"GET / HTTP/1.1", usize::MAX), Err(FrameError::Http));
        assert_eq!(next(&[0x16, 3, 1, 2, 0], usize::MAX), Err(FrameError::Tls));
        assert_eq!(
            next(&[0xff, 0xff, 0xff, 0xff], 10),
            Err(FrameError::Negative(-1))
        );
        assert_eq!(
            next(&[0, 0, 0, 11], 10),
            Err(FrameError::TooLarge { size: 11, max: 10 })
        );
    }

    #[test]
    fn room_follows_what_has_come() {
        assert_eq!(room(4, 100_000_000), 64 * 1024);
        assert_eq!(room(1_000_000, 100_000_000), 1_000_000);
        assert_eq!(room(6, 4), 2);
    }
}
