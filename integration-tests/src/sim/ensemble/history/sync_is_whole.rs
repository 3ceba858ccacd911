//! What a learner is sent fits what it was sent before (ZOOKEEPER-3104, TLA+ issues 1 and 2).

use super::{Judgement, SYNC_IS_WHOLE};

/// Why a role has ended: a link keeps its order, and nothing is missing on it but by the leader's fault.
pub fn abandoned(reason: &str) -> Judgement {
    let misfits = ["Committing 0x", "DIFF sync got"];
    let fits = !misfits.iter().any(|words| reason.starts_with(words));
    (
        SYNC_IS_WHOLE,
        fits.then_some(()).ok_or_else(|| reason.to_owned()),
    )
}
