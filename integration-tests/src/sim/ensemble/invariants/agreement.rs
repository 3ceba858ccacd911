//! Agreement: what one server has delivered, all deliver: a quorum of the voters holds it on disk at
//! that moment, so that every later leader has it. A reconfiguration is held by a quorum of the
//! configuration before it, too.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Delivered { node, to, .. } = *seen else {
        return Verdict::Silent;
    };
    // Older ones were checked when they were delivered first; what nobody has proposed is Integrity's.
    let Ok(path) = facts.beyond(to) else {
        return Verdict::Silent;
    };
    if path.is_empty() {
        return Verdict::Silent;
    }
    let prev = |zxid: &i64| facts.proposals.get(zxid).map_or(0, |p| p.prev);
    let changes = path.iter().filter(|zxid| facts.configs.contains_key(zxid));
    let changes = changes.map(|zxid| (*zxid, facts.config_of(prev(zxid))));
    for (zxid, config) in changes.chain([(to, facts.config_of(to))]) {
        let holders = facts.holders(zxid);
        if !facts.configs[&config].is_quorum(&holders) {
            return Verdict::Broken(format!(
                "{node} has delivered 0x{to:x}; 0x{zxid:x} is durable on {holders:?}, no quorum of the \
                 configuration of 0x{config:x}"
            ));
        }
    }
    Verdict::Holds
}
