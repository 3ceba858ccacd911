//! Equal digests: after a transaction the tree is the same on every server, byte for byte.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    match *seen {
        Seen::Delivered {
            node, to, digest, ..
        }
        | Seen::Settled {
            node,
            zxid: to,
            digest,
        } => compare(facts, node, to, digest),
        _ => Verdict::Silent,
    }
}

pub(super) fn compare(facts: &Facts, node: i64, zxid: i64, digest: Option<i64>) -> Verdict {
    let theirs = facts.proposals.get(&zxid).and_then(|p| p.digest);
    match (theirs, digest) {
        (Some(theirs), Some(ours)) if theirs != ours => Verdict::Broken(format!(
            "the tree of {node} at 0x{zxid:x} has digest {ours:x}, its leader's had {theirs:x}"
        )),
        (Some(_), Some(_)) => Verdict::Holds,
        _ => Verdict::Silent,
    }
}
