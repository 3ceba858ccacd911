//! Against logs and snapshots that Java wrote: each record is applied and leaves the digest that
//! Java logged, and `prep` makes the same bytes of the request behind it. How the files were made
//! stands in `integration-tests/golden/zk-store`.
#![allow(clippy::disallowed_methods, reason = "reads golden files")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{
    CheckVersionRequest, DeleteRequest, PathRequest, SetAclRequest, SetDataRequest,
};
use proto::zk::txn::TxnHeader;

use super::overlay::Overlay;
use super::prep::Prep;
use super::request::{CreateOp, Write};
use crate::auth::Providers;
use crate::core::Settings;
use crate::store::image::ZxidDigest;
use crate::tree::data_tree::At;
use crate::tree::txn::{Body, Create, Kind, Record};
use crate::tree::{Database, EphemeralTypes};

const WRITERS: [&str; 2] = ["zk-3.6.2", "zk-3.9.5"];
const TYPES: EphemeralTypes = EphemeralTypes {
    extended: true,
    emulate_353: false,
};

fn folder(writer: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../integration-tests/golden")
        .join(writer)
        .join("data/version-2")
}

/// All records of the writer's logs, by zxid.
fn records(writer: &str) -> BTreeMap<i64, Vec<u8>> {
    let mut records = BTreeMap::new();
    for entry in std::fs::read_dir(folder(writer)).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("log.")
        {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        let mut r = Reader::new(&bytes[16..]);
        while r.remaining() > 12 {
            r.i64().unwrap();
            let len = r.i32().unwrap() as usize;
            if len == 0 {
                break;
            }
            let record = r.take(len).unwrap().to_vec();
            assert_eq!(r.u8(), Ok(b'B'));
            let header = TxnHeader::from_bytes(&record).unwrap();
            records.insert(header.zxid, record);
        }
    }
    assert!(records.len() > 60, "{writer}: {}", records.len());
    records
}

fn acls(bytes: Option<&[u8]>) -> Vec<Acl<'_>> {
    Jute::from_bytes(bytes.unwrap_or_default()).unwrap_or_default()
}

/// A request that leads to this transaction; `None` for an error.
fn request<'a>(op: i32, body: &'a Body<'a>) -> Option<Write<'a>> {
    let op = OpCode::from_code(op).unwrap();
    Some(match body {
        Body::Create(Create {
            path,
            data,
            acl,
            kind,
            ..
        }) => {
            let (flags, ttl) = match kind {
                Kind::Plain => (0, -1),
                Kind::Ephemeral => (1, -1),
                Kind::Container => (4, -1),
                Kind::Ttl(ttl) => (5, *ttl),
            };
            Write::Create(CreateOp {
                op,
                path,
                data: *data,
                acl: acls(*acl),
                flags,
                ttl,
            })
        }
        Body::Delete { path } if op == OpCode::DeleteContainer => {
            Write::DeleteContainer(PathRequest { path })
        }
        Body::Delete { path } => Write::Delete(DeleteRequest { path, version: -1 }),
        Body::SetData { path, data, .. } => Write::SetData(SetDataRequest {
            path,
            data: *data,
            version: -1,
        }),
        Body::SetAcl { path, acl, .. } => Write::SetAcl(SetAclRequest {
            path,
            acl: acls(*acl),
            version: -1,
        }),
        Body::Check { path } => Write::Check(CheckVersionRequest { path, version: -1 }),
        Body::CreateSession { timeout } => Write::CreateSession { timeout: *timeout },
        Body::CloseSession(_) => Write::CloseSession,
        Body::Error(_) | Body::Multi(_) => return None,
    })
}

/// The record that `prep` makes for what stands behind Java's.
fn prepare(db: &Database, java: &[u8]) -> Option<Vec<u8>> {
    let Record { header, body, .. } = Record::read(java).unwrap();
    let parts: Vec<(i32, Body<'_>)> = match &body {
        Body::Multi(txns) => txns
            .iter()
            .map(|&(op, bytes)| (op, Body::read(op, &mut Reader::new(bytes)).unwrap()))
            .collect(),
        _ => Vec::new(),
    };
    let write = if matches!(body, Body::Multi(_)) {
        let ops: Option<Vec<_>> = parts.iter().map(|(op, body)| request(*op, body)).collect();
        Write::Multi(ops?)
    } else {
        request(header.op, &body)?
    };
    let settings = Settings {
        types: TYPES,
        providers: Providers {
            skip_acl: true,
            ..Providers::default()
        },
        ..Settings::default()
    };
    let mut record = Vec::new();
    Prep {
        allowed: super::prep::Allowed::ALL,
        views: None,
        next_view: None,
        reconfig_refused: None,
        tree: db.tree(),
        overlay: &mut Overlay::default(),
        settings: &settings,
        ids: &[],
        at: At {
            session: header.client_id,
            zxid: header.zxid,
            time: header.time,
        },
        quota_events: &mut Vec::new(),
    }
    .record(header.cxid, &write, &mut record);
    Some(record)
}

/// The record with the paths of a closed session in order: Java's come from a hash set.
fn sorted(record: &[u8]) -> Vec<u8> {
    let Record {
        header,
        body,
        digest,
    } = Record::read(record).unwrap();
    let Body::CloseSession(Some(mut paths)) = body else {
        return record.to_vec();
    };
    paths.sort_unstable();
    let mut out = header.to_vec();
    paths.write(&mut out);
    digest.unwrap().write(&mut out);
    out
}

#[test]
fn records_are_javas_and_leave_javas_digest() {
    for writer in WRITERS {
        let mut db = Database::new(TYPES, true);
        let mut same = 0;
        for (zxid, java) in records(writer) {
            if let Some(ours) = prepare(&db, &java) {
                let (ours, java) = (sorted(&ours), sorted(&java));
                assert_eq!(ours, java, "{writer} 0x{zxid:x}");
                same += 1;
            }
            db.apply_logged(&java).unwrap();
            assert_eq!(db.digest_mismatches(), 0, "{writer} 0x{zxid:x}");
        }
        assert!(same > 40, "{same} of {writer}");
    }
}

/// Enough of the snapshot format to compare digests: all of it stands before the final 28 bytes.
fn digest_of_snapshot(bytes: &[u8]) -> impl Iterator<Item = ZxidDigest> + '_ {
    bytes.windows(20).filter_map(|w| {
        let mut r = Reader::new(w);
        let (zxid, version, digest) = (r.i64().ok()?, r.i32().ok()?, r.i64().ok()?);
        (version == 2 && digest > 0).then_some(ZxidDigest {
            zxid,
            version,
            digest,
        })
    })
}

#[test]
fn the_digest_in_javas_snapshots_is_the_trees_at_their_zxid() {
    for writer in WRITERS {
        let mut db = Database::new(TYPES, true);
        let mut digests = BTreeMap::new();
        for (zxid, java) in records(writer) {
            db.apply_logged(&java).unwrap();
            digests.insert(zxid, db.tree().digest().unwrap());
        }
        let mut compared = 0;
        for entry in std::fs::read_dir(folder(writer)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(zxid) = name.strip_prefix("snapshot.") else {
                continue;
            };
            let zxid = i64::from_str_radix(zxid, 16).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            // A fuzzy snapshot tells the digest of a later zxid than its name.
            let mut found = digest_of_snapshot(&bytes).filter(|d| d.zxid >= zxid);
            if zxid > 0 {
                assert!(
                    found.any(|d| digests.get(&d.zxid) == Some(&d.digest)),
                    "{writer} {name}"
                );
                compared += 1;
            }
        }
        assert!(compared >= 2, "{writer}");
    }
}
