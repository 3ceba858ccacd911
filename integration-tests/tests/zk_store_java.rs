//! Files that our store writes, read by Apache's own programs: the log tool, the snapshot tool and
//! servers of 3.6.2 and 3.9.5.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::java_or_skip;
use integration_tests::proc::repo_root;
use integration_tests::zk::{ZkClient, ZkConfig};
use proto::zk::txn::TxnHeader;
use zk_server::store::image::{Image, ImageSink};
use zk_server::store::scan::{LogScan, ScanStep};
use zk_server::store::{Compression, RealDisk, Replay, Store, StoreConfig};
use zk_server::tree::{Database, EphemeralTypes};
use zk_server::units::Zxid;

const WRITERS: [&str; 2] = ["zk-3.6.2", "zk-3.9.5"];
const LAST: Zxid = Zxid(0x4c);

struct Restore(Database);

impl Restore {
    fn new() -> Self {
        Self(Database::new(types(), true))
    }
}

fn types() -> EphemeralTypes {
    EphemeralTypes {
        extended: true,
        ..EphemeralTypes::default()
    }
}

impl Replay for Restore {
    fn restart(&mut self) {
        self.0 = Database::for_snapshot(types(), true);
    }
    fn begin_new(&mut self) {
        *self = Self::new();
    }
    fn sink(&mut self) -> &mut dyn ImageSink {
        &mut self.0
    }
    fn loaded(&mut self, zxid: Zxid) -> Result<(), String> {
        if self.0.loaded(zxid) {
            Ok(())
        } else {
            Err("its digest is not the tree's".to_owned())
        }
    }
    fn apply(&mut self, _: &TxnHeader, record: &[u8]) -> Result<(), String> {
        self.0.apply_logged(record).map_err(|e| e.to_string())?;
        Ok(())
    }
    fn image(&self) -> Image {
        self.0.image()
    }
}

fn golden(writer: &str) -> PathBuf {
    repo_root().join("integration-tests/golden").join(writer)
}

/// A folder of our own: Java's first snapshot, and Java's transactions appended by our store.
fn rewritten(writer: &str, dir: &Path) {
    let from = golden(writer).join("data/version-2");
    let data = dir.join("version-2");
    fs::create_dir_all(&data).unwrap();
    fs::copy(from.join("snapshot.0"), data.join("snapshot.0")).unwrap();
    let mut store = Store::open(Arc::new(RealDisk), StoreConfig::new(dir)).unwrap();
    store.recover(&mut Restore::new()).unwrap();
    let mut scan = LogScan::new(&RealDisk, &from, Zxid(0)).unwrap();
    while let ScanStep::Entry = scan.advance().unwrap() {
        let (_, entry) = scan.entry().unwrap();
        store.append(entry.zxid(), entry.bytes).unwrap();
        if entry.zxid().0 % 16 == 0 {
            store.sync().unwrap();
        }
        if entry.zxid().0 % 32 == 0 {
            store.roll().unwrap();
        }
    }
    // as after a crash: the last file keeps its padding
    assert_eq!(store.sync().unwrap().zxid, Some(LAST));
}

fn recovered(dir: &Path, compression: Compression) -> (Store, Restore) {
    let config = StoreConfig {
        compression,
        ..StoreConfig::new(dir)
    };
    let mut store = Store::open(Arc::new(RealDisk), config).unwrap();
    let mut restore = Restore::new();
    let found = store.recover(&mut restore).unwrap();
    assert_eq!(found.zxid, LAST);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    assert_eq!(restore.0.digest_mismatches(), 0);
    (store, restore)
}

#[test]
fn the_log_tool_of_java_reads_our_logs() {
    let java = java_or_skip!();
    const TOOL: &str = "org.apache.zookeeper.server.persistence.TxnLogToolkit";
    for writer in WRITERS {
        let dir = tempfile::tempdir().unwrap();
        rewritten(writer, dir.path());
        for (name, count) in [("log.1", 32), ("log.21", 32), ("log.41", 12)] {
            let path = dir.path().join("version-2").join(name);
            for peer in ["zookeeper-3.6.2", "zookeeper-3.9.5"] {
                let text = java
                    .tool(peer, TOOL, &[path.to_str().unwrap()], "")
                    .success();
                let end = format!("EOF reached after {count} txns.");
                assert!(text.contains(&end), "{peer} on {name}: {text}");
                assert!(!text.contains("CRC ERROR"), "{text}");
            }
        }
    }
}

#[test]
fn the_snapshot_tool_of_java_reads_our_snapshots() {
    let java = java_or_skip!();
    const TOOL: &str = "org.apache.zookeeper.server.SnapshotFormatter";
    // without the name and times of the zone, which the golden text has in UTC
    let nodes = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("time = "));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for writer in WRITERS {
        let expected =
            fs::read_to_string(golden(writer).join("text/snapshot.4c.gz.d.txt")).unwrap();
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let dir = tempfile::tempdir().unwrap();
            rewritten(writer, dir.path());
            let (store, restore) = recovered(dir.path(), compression);
            let path = store.snapshots().write(&*restore.image().0).unwrap().path;
            let args = ["-d", path.to_str().unwrap()];
            for peer in ["zookeeper-3.6.2", "zookeeper-3.9.5"] {
                let text = java.tool(peer, TOOL, &args, "").success();
                assert_eq!(
                    nodes(&text),
                    nodes(&expected),
                    "{peer}, {writer}, {compression:?}"
                );
            }
        }
    }
}

#[test]
fn servers_of_java_serve_our_folders_with_and_without_a_newer_snapshot() {
    let java = java_or_skip!();
    for version in ["3.6.2", "3.9.5"] {
        let mut dumps = Vec::new();
        for snapshot in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let config =
                ZkConfig::new(dir.path()).property("zookeeper.extendedTypesEnabled", "true");
            rewritten(&format!("zk-{version}"), &config.data_dir());
            if snapshot {
                let (store, restore) = recovered(&config.data_dir(), Compression::Snappy);
                store.snapshots().write(&*restore.image().0).unwrap();
            }
            let mut server = config.start_java(java, version);
            let mut client = ZkClient::connect(server.addr(), 10_000).unwrap();
            client.authenticate("digest", b"bob:secret");
            dumps.push(client.dump());
            server.process.stop();
        }
        assert!(dumps[0].contains("/last"), "{}", dumps[0]);
        assert_eq!(dumps[0], dumps[1], "{version}");
    }
}
