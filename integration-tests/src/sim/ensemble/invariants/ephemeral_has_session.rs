//! No ephemeral without its session, on any server (ZOOKEEPER-2355, 3471).

use super::{Facts, Seen, Verdict};

pub(super) fn check(_: &Facts, seen: &Seen) -> Verdict {
    match *seen {
        Seen::Ephemerals { orphan: None, .. } => Verdict::Holds,
        Seen::Ephemerals {
            node,
            zxid,
            orphan: Some(session),
        } => Verdict::Broken(format!(
            "{node} at 0x{zxid:x} has ephemerals of session 0x{session:x}, which is not there"
        )),
        _ => Verdict::Silent,
    }
}
