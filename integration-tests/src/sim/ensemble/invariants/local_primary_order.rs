//! LocalPrimaryOrder: what a leader broadcasts in its epoch is taken and delivered in its order,
//! without a hole (ZOOKEEPER-4925).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    match *seen {
        Seen::Accepted {
            node, zxid, prev, ..
        } => match facts.proposals.get(&zxid) {
            Some(proposal) if proposal.prev != prev => Verdict::Broken(format!(
                "{node} takes 0x{zxid:x} after 0x{prev:x}; it belongs after 0x{:x}",
                proposal.prev
            )),
            _ => Verdict::Holds,
        },
        Seen::Broadcast { node, zxid, prev } => {
            let next = if prev >> 32 == zxid >> 32 {
                prev + 1
            } else {
                ((zxid >> 32) << 32) + 1
            };
            if zxid == next {
                Verdict::Holds
            } else {
                Verdict::Broken(format!("{node} broadcasts 0x{zxid:x} after 0x{prev:x}"))
            }
        }
        _ => Verdict::Silent,
    }
}
