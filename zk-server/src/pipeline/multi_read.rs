//! Several reads in one request; each has its own result or error (Java: `OpCode.multiRead`).

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::multi::{MultiHeader, next_header};
use proto::zk::request::PathWatchRequest;
use proto::zk::{ErrorCode, OpCode};

use super::reads::{Failed, Read, write_children};
use super::reply;

/// A longer reply is refused; Java's clients read 1 MB unless told otherwise.
const MAX_REPLY: usize = 64 << 20;

pub(super) fn multi_read(read: &mut Read<'_>, body: &[u8]) -> Result<(), Failed> {
    let mut asked = Vec::new();
    let r = &mut Reader::new(body);
    while let Some(header) = next_header(r)? {
        match OpCode::from_code(header.op) {
            Some(op @ (OpCode::GetData | OpCode::GetChildren)) => {
                // Watches are not set here: Java drops the flag.
                let PathWatchRequest { path, .. } = Jute::read(r)?;
                asked.push((op, path));
            }
            _ => return Err(ErrorCode::MarshallingError.into()),
        }
    }
    let start = read.out.len();
    let header = read.header;
    reply::frame(read.out, header, |_| {});
    for (op, path) in asked {
        one(read, op, path);
        // A request of a few bytes a path could ask for gigabytes.
        if read.out.len() - start > MAX_REPLY {
            return Err(ErrorCode::BadArguments.into());
        }
    }
    MultiHeader::END.write(read.out);
    let len = (read.out.len() - start - 4) as u32;
    read.out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

fn one(read: &mut Read<'_>, op: OpCode, path: &str) {
    let found = read.readable(path).map(|(id, _)| id);
    let header = |op: OpCode, err| MultiHeader {
        op: op.code(),
        done: false,
        err,
    };
    match found {
        Err(err) => {
            header(OpCode::Error, err.code()).write(read.out);
            err.code().write(read.out);
        }
        Ok(id) => {
            header(op, 0).write(read.out);
            if op == OpCode::GetChildren {
                let names = write_children(read.tree, id, read.out);
                read.namespaces.read(path, names);
            } else {
                let node = read.tree.node(id);
                read.namespaces.read(path, node.data_len());
                node.data().write(read.out);
                read.tree.stat(node).write(read.out);
            }
        }
    }
}
