//! A session sees its ensemble go forward only, and gets its replies in its order.

use super::SessionView;

/// No server that a session talks to is behind what it has shown before.
pub(super) fn in_order(view: &SessionView, zxid: i64) -> Result<(), String> {
    if zxid <= 0 || zxid >= view.seen {
        return Ok(());
    }
    Err(format!(
        "session 0x{:x} saw 0x{:x}, then 0x{zxid:x}",
        view.session, view.seen
    ))
}
