//! A session that is said to be over is (ClickHouse#116690).

use super::{EXPIRY_IS_REAL, Judgement, broken};
use crate::sim::ensemble::facts::Facts;

/// A server of this epoch says that a session is over.
pub fn expired(facts: &Facts, session: i64, epoch: i64) -> Judgement {
    let lives = facts.model.session_lives(session, i64::MAX);
    // A leader that others have replaced, and does not know it yet, cannot know the sessions of the new
    // one; its word costs the client a session, and nobody a lock that he holds.
    let later = facts.model.session_began(session) >> 32 > epoch;
    if !lives || later || facts.closing.contains(&session) {
        return (EXPIRY_IS_REAL, Ok(()));
    }
    let what = format!("session 0x{session:x} lives and was told that it is over");
    broken(EXPIRY_IS_REAL, what)
}
