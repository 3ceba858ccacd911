//! GlobalPrimaryOrder: of two delivered transactions of different epochs the one of the earlier epoch
//! comes first.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Delivered { node, from, to, .. } = *seen else {
        return Verdict::Silent;
    };
    let (old, new) = (from >> 32, to >> 32);
    if old == new {
        return Verdict::Silent;
    }
    // An epoch's history holds nothing of a later one.
    let past = facts
        .committed
        .iter()
        .rev()
        .take_while(|&&zxid| zxid >> 32 > new);
    if new < old || past.count() > 0 && !facts.is_committed(to) {
        return Verdict::Broken(format!("{node} delivers 0x{to:x} after 0x{from:x}"));
    }
    Verdict::Holds
}
