//! A reconfiguration is in a file before it is in the log.

use super::{CONFIG_BEFORE_LOG, Judgement, broken};

/// A reconfiguration is logged by a server whose files know the one of `known`: whoever starts again must
/// know that its quorum counts.
pub fn config_logged(server: i64, zxid: i64, known: i64) -> Judgement {
    if known >= zxid {
        return (CONFIG_BEFORE_LOG, Ok(()));
    }
    broken(
        CONFIG_BEFORE_LOG,
        format!("{server} logs the reconfiguration 0x{zxid:x}, its files have 0x{known:x}"),
    )
}
