//! Reading a snapshot into an [`ImageSink`] (Java: `FileSnap.deserialize`, `DataTree.deserialize`).

use std::io;
use std::path::Path;

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::acl::{Acl, Id};
use proto::zk::stat::StatPersisted;

use super::input::{Input, bad};
use super::{Disk, MAGIC, open_stream};
use crate::store::image::{ImageNode, ImageSink, ZxidDigest};
use crate::store::names::{SNAPSHOT, zxid_of};
use crate::units::Zxid;

/// Bytes of the key of the ACL and the persisted stat that end a node.
const NODE_END: usize = 8 + 60;
/// Bytes of a seal: checksum, length, "/".
const SEAL: usize = 8 + 4 + 1;

/// What follows the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trailer {
    /// 3.6 and later
    pub digest: Option<ZxidDigest>,
    /// 3.9 and later
    pub last_processed: Option<Zxid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// from the file's name: where the replay of the log goes on
    pub zxid: Zxid,
    pub nodes: u64,
    pub trailer: Trailer,
}

/// Loads a file whole, or tells why it is no snapshot; the sink is then in no usable state.
///
/// The sink gets the digest only where it can be checked: Java's fuzzy snapshots carry one of a
/// later zxid, and a leader's first snapshot of an epoch one of an earlier.
pub fn load(disk: &dyn Disk, path: &Path, sink: &mut dyn ImageSink) -> Result<Loaded, String> {
    read(disk, path, sink).map_err(|e| e.to_string())
}

/// Checks form and seals without keeping anything.
pub fn verify(disk: &dyn Disk, path: &Path) -> Result<Loaded, String> {
    load(disk, path, &mut Nothing)
}

struct Nothing;

impl ImageSink for Nothing {
    fn session(&mut self, _: i64, _: i32) {}
    fn acl(&mut self, _: i64, _: Vec<Acl<'_>>) {}
    fn node(&mut self, _: ImageNode<'_>) -> Result<(), String> {
        Ok(())
    }
    fn digest(&mut self, _: ZxidDigest) {}
}

fn read(disk: &dyn Disk, path: &Path, sink: &mut dyn ImageSink) -> io::Result<Loaded> {
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    // a tool may be given a renamed file
    let zxid = zxid_of(name, SNAPSHOT).unwrap_or(Zxid(-1));
    let mut input = Input::new(open_stream(disk, path)?);
    if input.peek(4)? != MAGIC {
        return Err(bad("this is not a snapshot"));
    }
    // magic, version, database id
    input.peek(16)?;
    input.consume(16);
    sessions(&mut input, sink)?;
    acls(&mut input, sink)?;
    let nodes = nodes(&mut input, sink)?;
    seal(&mut input)?;
    let trailer = trailer(&mut input)?;
    if let Some(digest) = trailer.digest.filter(|d| d.zxid > 0 && d.zxid >= zxid.0) {
        sink.digest(digest);
    }
    Ok(Loaded {
        zxid,
        nodes,
        trailer,
    })
}

fn sessions(input: &mut Input, sink: &mut dyn ImageSink) -> io::Result<()> {
    for _ in 0..input.i32()? {
        let id = input.i64()?;
        sink.session(id, input.i32()?);
    }
    Ok(())
}

fn acls(input: &mut Input, sink: &mut dyn ImageSink) -> io::Result<()> {
    for _ in 0..input.i32()? {
        let key = input.i64()?;
        let mut entries = Vec::new();
        for _ in 0..input.i32()? {
            entries.push((input.i32()?, input.string()?, input.string()?));
        }
        let acl = entries
            .iter()
            .map(|(perms, scheme, id)| Acl::new(*perms, Id::new(scheme, id)));
        sink.acl(key, acl.collect());
    }
    Ok(())
}

fn nodes(input: &mut Input, sink: &mut dyn ImageSink) -> io::Result<u64> {
    let mut count = 0;
    loop {
        let path_len = length(input, 0)?.unwrap_or(0);
        if path_len == 1 && input.peek(5)?[4] == b'/' {
            input.consume(5);
            return Ok(count);
        }
        let data_len = length(input, 4 + path_len)?;
        let whole = 4 + path_len + 4 + data_len.unwrap_or(0) + NODE_END;
        let bytes = input.peek(whole)?;
        let path = std::str::from_utf8(&bytes[4..4 + path_len])
            .map_err(|_| bad("a path is not valid UTF-8"))?;
        let mut r = Reader::new(&bytes[4 + path_len..]);
        let bad_node = |_| bad("a node is not whole");
        let node = ImageNode {
            path,
            data: Jute::read(&mut r).map_err(bad_node)?,
            acl: Jute::read(&mut r).map_err(bad_node)?,
            stat: StatPersisted::read(&mut r).map_err(bad_node)?,
        };
        sink.node(node).map_err(bad)?;
        input.consume(whole);
        count += 1;
    }
}

/// The length that stands `at` bytes on; `None` for -1.
fn length(input: &mut Input, at: usize) -> io::Result<Option<usize>> {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&input.peek(at + 4)?[at..]);
    match i32::from_be_bytes(bytes) {
        -1 => Ok(None),
        n => usize::try_from(n)
            .map(Some)
            .map_err(|_| bad("a length is negative")),
    }
}

fn seal(input: &mut Input) -> io::Result<()> {
    let actual = input.checksum();
    let sealed = input.i64()?;
    if sealed != actual {
        return Err(bad(format!(
            "its checksum is {actual}, the seal says {sealed}"
        )));
    }
    match input.string()?.as_str() {
        "/" => Ok(()),
        _ => Err(bad("a seal does not end with /")),
    }
}

fn trailer(input: &mut Input) -> io::Result<Trailer> {
    let mut trailer = Trailer::default();
    // A server that keeps no digests writes the zxid alone.
    let zxid_alone = 8 + SEAL;
    let left = input.left(zxid_alone + 1)?;
    if left == 0 {
        return Ok(trailer);
    }
    if left != zxid_alone {
        trailer.digest = Some(digest(input)?);
        seal(input)?;
    }
    if input.left(1)? > 0 {
        trailer.last_processed = Some(Zxid(input.i64()?));
        seal(input)?;
    }
    Ok(trailer)
}

fn digest(input: &mut Input) -> io::Result<ZxidDigest> {
    let zxid = input.i64()?;
    let version = input.i32()?;
    let digest = if version < 2 {
        let hex = input.string()?;
        i64::from_str_radix(&hex, 16).map_err(|_| bad("the digest is not a number"))?
    } else {
        input.i64()?
    };
    Ok(ZxidDigest {
        zxid,
        version,
        digest,
    })
}
