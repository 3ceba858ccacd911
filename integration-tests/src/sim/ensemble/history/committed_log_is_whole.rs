//! What a server would send a learner as DIFF has no hole (ZOOKEEPER-4925).

use super::{COMMITTED_LOG_IS_WHOLE, Judgement, broken};
use crate::sim::ensemble::facts::Facts;

/// What a server keeps to bring learners up to date: `zxids` are neighbours in the history.
pub fn committed_log(
    facts: &Facts,
    server: i64,
    zxids: impl IntoIterator<Item = i64>,
) -> Judgement {
    let mut before = None;
    for zxid in zxids {
        let prev = facts.proposals.get(&zxid).map(|p| p.prev);
        if before.is_some() && before != prev {
            return broken(
                COMMITTED_LOG_IS_WHOLE,
                format!(
                    "{server} keeps 0x{zxid:x} behind {before:x?}, it belongs behind {prev:x?}"
                ),
            );
        }
        before = Some(zxid);
    }
    (COMMITTED_LOG_IS_WHOLE, Ok(()))
}
