//! Leadership2: whoever broadcasts in an epoch is its established leader, and the only one.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Broadcast { node, zxid, .. } = *seen else {
        return Verdict::Silent;
    };
    let epoch = zxid >> 32;
    match facts.leaders.get(&epoch) {
        Some(leaders) if leaders.contains(&node) && leaders.len() == 1 => Verdict::Holds,
        leaders => Verdict::Broken(format!(
            "{node} broadcasts 0x{zxid:x}; established in epoch {epoch}: {leaders:?}"
        )),
    }
}
