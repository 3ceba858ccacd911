//! Epoch and counter of a zxid (Java: `ZxidUtils`).

pub(super) const COUNTER: i64 = 0xffff_ffff;

pub(super) fn epoch_of(zxid: i64) -> i64 {
    zxid >> 32
}

/// A leader's first zxid, which no transaction has.
pub(super) fn begins_epoch(zxid: i64) -> bool {
    zxid & COUNTER == 0
}

/// Whether nothing can lie between the two: the next one of an epoch, or the first of a later one.
pub(super) fn follows(before: i64, zxid: i64) -> bool {
    zxid == before.wrapping_add(1) || (epoch_of(zxid) > epoch_of(before) && zxid & COUNTER == 1)
}
