//! Agreement: what one server has delivered, all deliver: a quorum of the voters holds it on disk at
//! that moment, so that every later leader has it.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Delivered { node, to, .. } = *seen else {
        return Verdict::Silent;
    };
    let Some(view) = &facts.view else {
        return Verdict::Silent;
    };
    // Older ones were checked when they were delivered first.
    if to <= facts.last_committed() {
        return Verdict::Silent;
    }
    let holders = facts.holders(to);
    let voters = holders.iter().filter(|&&id| view.is_voter(id)).count();
    if voters * 2 > view.voters().len() {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} has delivered 0x{to:x}, durable only on {holders:?}"
        ))
    }
}
