//! Leadership1 and Leadership2: an epoch has at most one leader that was ever established.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Established { node, epoch, .. } = *seen else {
        return Verdict::Silent;
    };
    let others = facts.leaders.get(&epoch);
    match others.and_then(|all| all.iter().find(|&&other| other != node)) {
        None => Verdict::Holds,
        Some(other) => Verdict::Broken(format!("{other} and {node} both lead epoch {epoch}")),
    }
}

/// Leadership2: whoever broadcasts in an epoch is its established leader.
pub(super) fn check_broadcast(facts: &Facts, seen: &Seen) -> Verdict {
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
