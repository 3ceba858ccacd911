//! PrefixConsistency: of two servers' delivered histories one is a prefix of the other.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Delivered { node, to, .. } = *seen else {
        return Verdict::Silent;
    };
    if to <= facts.last_committed() {
        return if facts.is_committed(to) {
            Verdict::Holds
        } else {
            Verdict::Broken(format!(
                "{node} has delivered 0x{to:x}, others have not and are further"
            ))
        };
    }
    match facts.beyond(to) {
        Ok(_) => Verdict::Holds,
        Err(why) => Verdict::Broken(format!("{node} has delivered 0x{to:x}: {why}")),
    }
}
