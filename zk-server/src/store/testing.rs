//! A tree for the tests of this folder: it keeps what it is given, in order.

use std::sync::Arc;

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::stat::StatPersisted;
use proto::zk::txn::TxnHeader;

use super::image::{Image, ImageNode, ImageSink, ImageSource, ZxidDigest};
use super::recover::Replay;
use super::snapshot::Loaded;
use crate::units::Zxid;

/// path, data, key of the ACL, stat
pub(super) type Node = (String, Option<Vec<u8>>, i64, StatPersisted);
/// perms, scheme, id
pub(super) type Entry = (i32, String, String);

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub(super) zxid: i64,
    pub(super) digest: Option<ZxidDigest>,
    pub(super) sessions: Vec<(i64, i32)>,
    pub(super) acls: Vec<(i64, Vec<Entry>)>,
    pub(super) nodes: Vec<Node>,
    pub(super) applied: Vec<i64>,
}

impl Model {
    /// The smallest tree, with one node and `n` times some data.
    pub(super) fn at(zxid: i64, n: usize) -> Self {
        let node = |path: &str, data: Vec<u8>| {
            let stat = StatPersisted {
                czxid: zxid,
                ..StatPersisted::default()
            };
            (path.to_owned(), Some(data), -1, stat)
        };
        Self {
            zxid,
            digest: Some(ZxidDigest {
                zxid,
                version: 2,
                digest: 77,
            }),
            sessions: vec![(0x1_0000_0001, 30_000)],
            acls: vec![(1, vec![(31, "digest".into(), "bob:x=".into())])],
            nodes: vec![node("", vec![]), node("/a", b"data".repeat(n))],
            applied: vec![],
        }
    }

    /// The state that a snapshot with this trailer was made of.
    pub(super) fn with(mut self, loaded: &Loaded) -> Self {
        self.zxid = loaded.zxid.0;
        self.digest = loaded.trailer.digest;
        self
    }
}

impl ImageSink for Model {
    fn session(&mut self, id: i64, timeout_ms: i32) {
        self.sessions.push((id, timeout_ms));
    }
    fn acl(&mut self, key: i64, acl: Vec<Acl<'_>>) {
        let entries = acl
            .iter()
            .map(|a| (a.perms, a.id.scheme.to_owned(), a.id.id.to_owned()));
        self.acls.push((key, entries.collect()));
    }
    fn node(&mut self, n: ImageNode<'_>) -> Result<(), String> {
        let data = n.data.map(<[u8]>::to_vec);
        self.nodes.push((n.path.to_owned(), data, n.acl, n.stat));
        Ok(())
    }
    fn digest(&mut self, digest: ZxidDigest) {
        self.digest = Some(digest);
    }
}

impl ImageSource for Model {
    fn zxid(&self) -> Zxid {
        Zxid(self.zxid)
    }
    fn digest(&self) -> Option<ZxidDigest> {
        self.digest
    }
    fn sessions(&self, each: &mut dyn FnMut(i64, i32)) {
        for (id, timeout) in &self.sessions {
            each(*id, *timeout);
        }
    }
    fn session_count(&self) -> usize {
        self.sessions.len()
    }
    fn acls(&self, each: &mut dyn FnMut(i64, &[Acl<'_>])) {
        for (key, acl) in &self.acls {
            let acl: Vec<_> = acl
                .iter()
                .map(|(perms, scheme, id)| Acl::new(*perms, proto::zk::acl::Id::new(scheme, id)))
                .collect();
            each(*key, &acl);
        }
    }
    fn acl_count(&self) -> usize {
        self.acls.len()
    }
    fn nodes(&self, each: &mut dyn FnMut(ImageNode<'_>)) {
        for (path, data, acl, stat) in &self.nodes {
            each(ImageNode {
                path,
                data: data.as_deref(),
                acl: *acl,
                stat: *stat,
            });
        }
    }
}

impl Replay for Model {
    fn restart(&mut self) {
        *self = Self::default();
    }
    fn begin_new(&mut self) {
        *self = Self::default();
    }
    fn sink(&mut self) -> &mut dyn ImageSink {
        self
    }
    fn loaded(&mut self, zxid: Zxid) -> Result<(), String> {
        self.zxid = zxid.0;
        Ok(())
    }
    fn apply(&mut self, header: &TxnHeader, _: &[u8]) -> Result<(), String> {
        self.zxid = header.zxid;
        self.applied.push(header.zxid);
        Ok(())
    }
    fn image(&self) -> Image {
        Image(Arc::new(self.clone()))
    }
}

/// A record that parses: an error transaction with `extra` bytes behind it.
pub(super) fn record(zxid: i64, extra: usize) -> Vec<u8> {
    let header = TxnHeader {
        client_id: 1,
        cxid: 1,
        zxid,
        time: 1_700_000_000_000,
        op: OpCode::Error.code(),
    };
    let mut bytes = header.to_vec();
    (-101i32).write(&mut bytes);
    bytes.extend((0..extra).map(|i| (i % 251) as u8 + 1));
    bytes
}
