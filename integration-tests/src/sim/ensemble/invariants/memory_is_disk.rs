//! A server without a role has in memory what its files would give (ZOOKEEPER-2845, 5094, 2872, 3642).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Idle {
        node,
        zxid,
        logged,
        digest,
    } = *seen
    else {
        return Verdict::Silent;
    };
    if zxid != logged {
        return Verdict::Broken(format!(
            "{node} has 0x{zxid:x} in memory and 0x{logged:x} in its files"
        ));
    }
    super::equal_digests::compare(facts, node, zxid, digest)
}
