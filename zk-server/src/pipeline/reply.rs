//! Replies and events, encoded straight into a connection's output.

use proto::jute::Jute;
use proto::zk::ErrorCode;
use proto::zk::op::xid;
use proto::zk::response::ReplyHeader;
use proto::zk::watch::{EventType, state};

/// Writes one frame: header, then what `body` writes.
pub(super) fn frame(out: &mut Vec<u8>, header: ReplyHeader, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    header.write(out);
    body(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

pub(super) fn ok(out: &mut Vec<u8>, xid: i32, zxid: i64, body: impl FnOnce(&mut Vec<u8>)) {
    frame(out, ReplyHeader { xid, zxid, err: 0 }, body);
}

pub(super) fn error(out: &mut Vec<u8>, xid: i32, zxid: i64, err: ErrorCode) {
    let err = err.code();
    frame(out, ReplyHeader { xid, zxid, err }, |_| {});
}

/// A watch event; `zxid` is -1 when no transaction caused it.
pub(super) fn event(out: &mut Vec<u8>, kind: EventType, path: &str, zxid: i64) {
    let header = ReplyHeader {
        xid: xid::NOTIFICATION,
        zxid,
        err: 0,
    };
    frame(out, header, |out| {
        (kind as i32).write(out);
        state::SYNC_CONNECTED.write(out);
        path.write(out);
    });
}
