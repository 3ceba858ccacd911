//! Files that Java wrote, read and written again: the bytes must be the same. How they were made
//! stands in `integration-tests/golden/zk-store`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::reader::{LogReader, Step};
use super::record::LogRecord;
use super::snapshot::{Compression, Snapshots, load};
use super::testing::Model;
use super::txnlog::{FILE_HEADER_LEN, push_record};
use super::*;
use crate::units::Zxid;
use proto::zk::OpCode;

const WRITERS: [&str; 2] = ["zk-3.6.2", "zk-3.9.5"];

fn golden(writer: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../integration-tests/golden")
        .join(writer)
}

fn files(writer: &str, prefix: &str) -> Vec<PathBuf> {
    let dir = golden(writer).join("data/version-2");
    let entries = RealDisk.list(&dir).unwrap();
    let files = names::sorted(&dir, &entries, prefix);
    assert!(files.len() >= 3, "{writer} has few files: {files:?}");
    files.into_iter().map(|f| f.path).collect()
}

#[test]
fn every_record_of_javas_logs_is_written_the_same() {
    for writer in WRITERS {
        let mut digests = 0;
        let mut ops = std::collections::BTreeSet::new();
        for path in files(writer, names::LOG) {
            let bytes = fs::read(&path).unwrap();
            let mut again = bytes[..FILE_HEADER_LEN].to_vec();
            let mut reader = LogReader::open(&RealDisk, &path).unwrap().unwrap();
            assert_eq!(reader.file_header().unwrap(), (txnlog::VERSION, 0));
            while let Step::Entry = reader.advance().unwrap() {
                let entry = reader.entry();
                let record = LogRecord::read(entry.bytes).unwrap();
                ops.insert(OpCode::from_code(record.header.op).unwrap());
                digests += usize::from(record.digest.is_some());
                let mut bytes = Vec::new();
                record.write(&mut bytes);
                assert_eq!(bytes, entry.bytes, "{record:?}");
                push_record(&mut again, &bytes);
            }
            assert!(reader.advance().unwrap() == Step::End(again.len() as u64));
            assert!(bytes.starts_with(&again), "{}", path.display());
        }
        let all = [
            OpCode::Create,
            OpCode::Delete,
            OpCode::SetData,
            OpCode::SetAcl,
            OpCode::Multi,
            OpCode::Create2,
            OpCode::CreateContainer,
            OpCode::CreateTtl,
            OpCode::CreateSession,
            OpCode::CloseSession,
            OpCode::Error,
        ];
        assert_eq!(ops, all.into_iter().collect(), "{writer}");
        assert!(digests > 50, "{writer}: {digests}");
    }
}

#[test]
fn javas_snapshots_are_written_the_same() {
    for writer in WRITERS {
        for path in files(writer, names::SNAPSHOT) {
            let mut model = Model::default();
            let loaded = load(&RealDisk, &path, &mut model).unwrap();
            let model = model.with(&loaded);
            let dir = tempfile::tempdir().unwrap();
            let snapshots = Snapshots::new(
                Arc::new(RealDisk),
                dir.path().to_owned(),
                Compression::None,
                loaded.trailer.last_processed.is_some(),
            );
            let ours = snapshots.write(&model).unwrap().path;
            assert_eq!(ours.file_name(), path.file_name());
            let name = path.display();
            assert!(
                fs::read(ours).unwrap() == fs::read(&path).unwrap(),
                "{name}"
            );
            assert_eq!(
                loaded.trailer.last_processed.is_some(),
                writer == "zk-3.9.5"
            );
        }
    }
}

#[test]
fn javas_compressed_snapshots_hold_the_same() {
    for writer in WRITERS {
        let read = |suffix| {
            let path = golden(writer).join(format!("snapshot.4c{suffix}"));
            assert!(snapshot::looks_whole(&RealDisk, &path).unwrap());
            let mut model = Model::default();
            let loaded = load(&RealDisk, &path, &mut model).unwrap();
            assert_eq!(loaded.zxid, Zxid(0x4c));
            assert!(loaded.nodes > 20);
            // A start changes the order of children, and touches /zookeeper/config.
            model.nodes.retain(|node| node.0 != "/zookeeper/config");
            model.nodes.sort_by(|a, b| a.0.cmp(&b.0));
            (model.nodes, model.sessions)
        };
        let (gzip, snappy) = (read(".gz"), read(".snappy"));
        for (a, b) in gzip.0.iter().zip(&snappy.0) {
            assert!(a == b, "{writer}: {a:?} {b:?}");
        }
        assert_eq!(gzip.1, snappy.1, "{writer}");
        assert_eq!(gzip.0.len(), snappy.0.len());
    }
}

#[test]
fn javas_folders_are_recovered_to_the_last_transaction() {
    for writer in WRITERS {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("version-2");
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(golden(writer).join("data/version-2")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        let config = StoreConfig::new(dir.path());
        let mut store = Store::open(Arc::new(RealDisk), config).unwrap();
        let found = store.recover(&mut Model::default()).unwrap();
        assert_eq!(found.zxid, Zxid(0x4c), "{writer}");
        assert!(found.notes.is_empty(), "{:?}", found.notes);
    }
}
