//! TotalOrder: servers deliver the same transactions in the same order, and none twice.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Delivered { node, from, to, .. } = *seen else {
        return Verdict::Silent;
    };
    if from > to {
        return Verdict::Broken(format!("{node} goes back from 0x{from:x} to 0x{to:x}"));
    }
    if facts.holds(to, from) {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} delivers 0x{to:x} after 0x{from:x}, which is not before it"
        ))
    }
}
