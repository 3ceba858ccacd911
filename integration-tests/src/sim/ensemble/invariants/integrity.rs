//! Integrity: what a server takes or delivers, some leader has broadcast, and with those bytes.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let (node, zxid, same) = match *seen {
        Seen::Accepted {
            node, zxid, same, ..
        } => (node, zxid, same),
        Seen::Delivered { node, to, .. } if to > 0 => (node, to, true),
        _ => return Verdict::Silent,
    };
    if !facts.proposals.contains_key(&zxid) {
        return Verdict::Broken(format!("{node} has 0x{zxid:x}, which nobody has broadcast"));
    }
    if same {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} has other bytes for 0x{zxid:x} than its leader"
        ))
    }
}
