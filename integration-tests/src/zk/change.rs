//! What the writers of crash tests do: change after change, each whole or not at all, so that what a
//! start has kept is a number.

use proto::zk::OpCode;

use super::oracle::{Acls, Request};

/// The `k`-th change below `home`: it writes its number there, makes `n{k}` with that data, and removes the
/// node that is `kept` changes old.
pub fn change(home: &str, k: u64, kept: u64, data: Option<&[u8]>) -> Request {
    let mut parts = vec![
        Request::set(home, Some(k.to_string().as_bytes()), -1),
        Request::create(OpCode::Create, &format!("{home}/n{k}"), data, Acls::Open, 0),
    ];
    if k > kept {
        parts.push(Request::delete(&format!("{home}/n{}", k - kept), -1));
    }
    Request::multi(OpCode::Multi, &parts)
}
