//! Leadership1: an epoch has at most one leader that was ever established.

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
