//! The framing of `multi` and `multiRead` (Java: `MultiHeader`, `MultiOperationRecord`,
//! `MultiResponse`): header, body, header, body, ..., a header with `done`.

use crate::buf::{ReadError, Reader};
use crate::jute::Jute;

crate::jute_records! {
    #[derive(Copy)]
    struct MultiHeader {
        /// an `OpCode`, or -1 for an error result and for the end
        op: i32,
        done: bool,
        err: i32,
    }
}

impl MultiHeader {
    /// Ends a multi.
    pub const END: MultiHeader = MultiHeader {
        op: -1,
        done: true,
        err: -1,
    };
}

/// Reads the next header of a multi; `None` at its end.
pub fn next_header(r: &mut Reader<'_>) -> Result<Option<MultiHeader>, ReadError> {
    let header = MultiHeader::read(r)?;
    Ok((!header.done).then_some(header))
}
