//! What a snapshot holds, as a contract between the tree (which can show it) and the files
//! (which keep it). Mirrors the order of Java's `SerializeUtils.serializeSnapshot`.

use std::fmt;
use std::sync::Arc;

use proto::zk::acl::Acl;
use proto::zk::stat::StatPersisted;

use crate::units::Zxid;

/// One znode of a snapshot. The root's path is the empty string, as in Java.
#[derive(Debug, Clone, Copy)]
pub struct ImageNode<'a> {
    pub path: &'a str,
    pub data: Option<&'a [u8]>,
    /// key of the ACL in the ACL table; -1 is `OPEN_ACL_UNSAFE`
    pub acl: i64,
    pub stat: StatPersisted,
}

/// The tree digest that 3.6 and later append (Java: `DataTree.ZxidDigest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZxidDigest {
    pub zxid: i64,
    pub version: i32,
    pub digest: i64,
}

/// A state of the tree and the sessions, frozen at one zxid.
pub trait ImageSource: Send + Sync {
    fn zxid(&self) -> Zxid;
    fn digest(&self) -> Option<ZxidDigest>;
    /// session id and timeout in milliseconds
    fn sessions(&self, each: &mut dyn FnMut(i64, i32));
    /// number of sessions
    fn session_count(&self) -> usize;
    /// the ACL table, without the -1 entry
    fn acls(&self, each: &mut dyn FnMut(i64, &[Acl<'_>]));
    fn acl_count(&self) -> usize;
    /// parents before children
    fn nodes(&self, each: &mut dyn FnMut(ImageNode<'_>));
}

/// Takes what a snapshot file holds, in file order: sessions, ACLs, nodes, then the trailer.
pub trait ImageSink {
    fn session(&mut self, id: i64, timeout_ms: i32);
    fn acl(&mut self, key: i64, acl: Vec<Acl<'_>>);
    /// An error names what is wrong with the node (its parent is missing, say).
    fn node(&mut self, node: ImageNode<'_>) -> Result<(), String>;
    fn digest(&mut self, digest: ZxidDigest);
}

/// A shared [`ImageSource`].
#[derive(Clone)]
pub struct Image(pub Arc<dyn ImageSource>);

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image(zxid 0x{:x})", self.0.zxid().0)
    }
}
