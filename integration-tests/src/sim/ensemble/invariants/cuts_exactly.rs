//! A log is cut exactly: what a learner has of the history that its leader set out to give it stays
//! (ZOOKEEPER-1156, 3526), and nothing is missing when the files are read back.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Cut {
        node,
        from,
        to,
        owed,
    } = *seen
    else {
        return Verdict::Silent;
    };
    match facts.shared(from, owed) {
        Some(last) if !facts.holds(to, last) => Verdict::Broken(format!(
            "the files of {node} had history up to 0x{from:x}; they end at 0x{to:x}, without 0x{last:x}, \
             which its leader has too"
        )),
        _ => Verdict::Holds,
    }
}
