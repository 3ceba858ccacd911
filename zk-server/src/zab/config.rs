//! Configurations of the ensemble inside transactions and packets (Java:
//! `QuorumPeer.configFromString`).

use proto::zk::OpCode;

use crate::quorum::View;
use crate::tree::txn::{Body, Record};

#[derive(Debug)]
pub(super) enum Transaction {
    Plain,
    Reconfig(View),
}

/// Reads a transaction that a leader proposes: what can't be read back is never logged.
pub(super) fn transaction(zxid: i64, record: &[u8]) -> Result<Transaction, String> {
    let read = Record::read(record).map_err(|error| {
        format!("the transaction of proposal 0x{zxid:x} can't be read: {error}")
    })?;
    if read.header.zxid != zxid {
        let inner = read.header.zxid;
        return Err(format!(
            "the proposal 0x{zxid:x} holds the transaction 0x{inner:x}"
        ));
    }
    match read.body {
        Body::SetData { data, .. } if read.header.op == OpCode::Reconfig.code() => {
            let source = format!("transaction 0x{zxid:x}");
            view(&source, data.unwrap_or_default()).map(Transaction::Reconfig)
        }
        _ => Ok(Transaction::Plain),
    }
}

pub(super) fn view(source: &str, text: &[u8]) -> Result<View, String> {
    View::parse(source, text, true).map_err(|error| error.to_string())
}
