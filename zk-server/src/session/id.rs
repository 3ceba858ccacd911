//! Session ids and passwords, equal to Java's (`SessionTrackerImpl.initializeNextSessionId`,
//! `ZooKeeperServer.generatePasswd`): a session moves between our servers and Java's.

use std::collections::BTreeMap;

use crate::tree::ephemeral::CONTAINER_OWNER;

const SUPER_SECRET: i64 = 0xB341_5C00;

/// The first session id of a server process: its id, then the time in milliseconds.
///
/// Java takes the time since the machine booted; ours is the time of day, so that no id comes
/// back after a reboot.
pub fn first_id(server_id: i64, wall_ms: i64) -> i64 {
    let id = ((wall_ms << 24) as u64 >> 8) as i64 | server_id << 56;
    if id == CONTAINER_OWNER { id + 1 } else { id }
}

/// So many sessions may have come after one that is there, and be over already: no id comes twice.
const MARGIN: i64 = 1 << 24;

/// The first session id of a server that starts on these sessions: later than all that it gave, should
/// the clock have been set back.
pub fn next_id(server_id: i64, wall_ms: i64, sessions: &BTreeMap<i64, i32>) -> i64 {
    const COUNTER: i64 = (1 << 56) - 1;
    let first = first_id(server_id, wall_ms);
    let mine = first & !COUNTER..=first | COUNTER;
    match sessions.range(mine).next_back() {
        Some((&last, _)) if last >= first && last & COUNTER < COUNTER - MARGIN => last + MARGIN,
        _ => first,
    }
}

/// `java.util.Random`, as far as passwords and small draws need it.
#[derive(Debug, Clone)]
pub struct JavaRandom(i64);

impl JavaRandom {
    const MASK: i64 = (1 << 48) - 1;

    pub fn new(seed: i64) -> Self {
        Self((seed ^ 0x5_DEEC_E66D) & Self::MASK)
    }

    pub fn next_i32(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & Self::MASK;
        (self.0 >> 16) as i32
    }
}

/// The password of a session.
pub fn password(session: i64) -> [u8; 16] {
    let mut random = JavaRandom::new(session ^ SUPER_SECRET);
    let mut password = [0; 16];
    for chunk in password.chunks_exact_mut(4) {
        chunk.copy_from_slice(&random.next_i32().to_le_bytes());
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_random() {
        // new java.util.Random(42).nextInt()
        assert_eq!(JavaRandom::new(42).next_i32(), -1_170_105_035);
        assert_eq!(JavaRandom::new(0).next_i32(), -1_155_484_576);
    }

    #[test]
    fn ids_start_with_the_server() {
        let id = first_id(1, 1_700_000_000_000);
        assert_eq!(id >> 56, 1);
        assert_eq!(id & 0xffff, 0);
        assert_eq!(first_id(255, 0) as u64, 0xff00_0000_0000_0000);
        assert_eq!(first_id(128, 0), CONTAINER_OWNER + 1);
        assert_ne!(password(1), password(2));
    }
}
