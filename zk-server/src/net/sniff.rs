//! What the first bytes of a connection say about who is there: a client, an operator with a
//! four-letter word, or somebody at the wrong port.

/// The four-letter words of 3.9 (Java: `FourLetterCommands`).
pub(super) const WORDS: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// frames of the client protocol, as far as one can tell
    Frames,
    Word(&'static str),
    /// what telnet sends when its user closes the connection
    TelnetClose,
    Http,
    Tls,
    Kafka,
}

/// `None`: too few bytes to tell.
pub(super) fn first(bytes: &[u8]) -> Option<First> {
    let head = bytes.get(..4)?;
    if let Some(word) = WORDS.iter().find(|word| word.as_bytes() == head) {
        return Some(First::Word(word));
    }
    Some(match head {
        [0xff, 0xf4, 0xff, 0xfd] => First::TelnetClose,
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"PRI " | b"CONN" => {
            First::Http
        }
        [0x16, 0x03, 0..=4, _] => First::Tls,
        _ if is_kafka(bytes) => First::Kafka,
        _ => First::Frames,
    })
}

/// A Kafka request has API key and version where a connect request has its protocol version, 0.
fn is_kafka(bytes: &[u8]) -> bool {
    let Some([k1, k2, v1, v2]) = bytes.get(4..8) else {
        return false;
    };
    let (key, version) = (
        u16::from_be_bytes([*k1, *k2]),
        u16::from_be_bytes([*v1, *v2]),
    );
    (key, version) != (0, 0) && key <= 100 && version <= 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_told_apart() {
        for (bytes, expected) in [
            (&b"ru"[..], None),
            (b"ruok", Some(First::Word("ruok"))),
            (b"srvr\n", Some(First::Word("srvr"))),
            (b"GET / HTTP/1.1\r\n", Some(First::Http)),
            (&[0x16, 3, 1, 2, 0, 1], Some(First::Tls)),
            (&[0, 0, 0, 45, 0, 0, 0, 0], Some(First::Frames)),
            (&[0, 0, 0, 26, 0, 18, 0, 3, 0, 0], Some(First::Kafka)),
            (&[0xff, 0xf4, 0xff, 0xfd], Some(First::TelnetClose)),
            (b"abcd", Some(First::Frames)),
        ] {
            assert_eq!(first(bytes), expected, "{bytes:?}");
        }
    }
}
