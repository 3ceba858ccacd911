//! The broker's log files against Apache's: what Kafka 2.7.0 and 3.9.2 wrote is read record for
//! record and rebuilt byte for byte; what we write passes Apache's kafka-dump-log.
//!
//! The golden folders come from `golden/kafka-log/make.sh`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test copies and compares files, and fails where it must"
)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use broker::log::{Disk, Isolation, LoadOptions, Log, LogConfig};
use bytes::Bytes;
use integration_tests::java_or_skip;
use proto::records::{
    BatchBuilder, BatchOptions, Batches, Compression, EndTxnMarker, Header, MessageSetBuilder,
    Origin, control_batch, down_convert, up_convert,
};

const NOW: i64 = 1_700_000_100_000;

fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/kafka-log")
        .join(version)
}

fn partitions(version: &str) -> Vec<String> {
    let entries = fs::read_dir(golden(version)).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|e| e.unwrap().file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// A set of plain v0/v1 messages is one append to Java, with one index entry for all of it; here
/// each message is a batch. So for these the bytes of indexes differ, and segments end elsewhere.
fn has_sets_of_plain_messages(name: &str) -> bool {
    name.starts_with("g-none-0.")
}

fn copy(from: &Path, keep: impl Fn(&str) -> bool) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if keep(entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

/// The settings that the golden folders were written with.
fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn load(dir: &Path, clean: bool) -> Log {
    let options = LoadOptions {
        name: "g-0".into(),
        config: config(),
        log_start: 0,
        recovery_point: 0,
        clean,
        now_ms: NOW,
    };
    let mut log = Log::load(dir, options).unwrap();
    log.set_high_watermark(log.log_end());
    log
}

/// offset, timestamp, key, value, number of headers
type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn rows_of(bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut scratch = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        if batch.header.is_control() {
            continue;
        }
        for record in batch.records(&mut scratch, 1 << 20).unwrap() {
            let r = record.unwrap();
            let owned = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
            rows.push((
                r.offset,
                r.timestamp,
                owned(r.key),
                owned(r.value),
                r.headers.iter().count(),
            ));
        }
    }
    rows
}

fn bytes_of(log: &mut Log) -> Vec<u8> {
    let mut all = Vec::new();
    let mut next = log.log_start();
    loop {
        let plan = log
            .read(next, 1 << 20, Isolation::HighWatermark, true, Disk::Wait)
            .unwrap();
        let Some(file) = plan.file else { return all };
        let mut bytes = vec![0; plan.len];
        file.read_exact_at(&mut bytes, plan.position).unwrap();
        next = Batches::new(&bytes)
            .map(|b| b.unwrap().header.next_offset())
            .max()
            .unwrap();
        all.extend_from_slice(&bytes);
    }
}

/// What `Golden.java` sent.
fn expected(name: &str) -> Vec<Row> {
    let old = name.contains("-0.9.0") || name.contains("-0.10.0");
    let mut rows = Vec::new();
    for n in 0..60i64 {
        let i = n % 5;
        let value = format!("value-{n}-")
            .repeat(1 + (n as usize % 7) * 3)
            .into_bytes();
        rows.push((
            n,
            if name.contains("-0.9.0") {
                -1
            } else {
                1_700_000_000_000 + n * 10
            },
            (n % 4 != 0).then(|| format!("key-{n}").into_bytes()),
            (i != 3).then_some(value),
            if !old && i % 2 == 0 { 2 } else { 0 },
        ));
    }
    rows
}

#[test]
fn what_java_wrote_is_read_record_for_record() {
    for version in ["2.7.0", "3.9.2"] {
        for name in partitions(version) {
            let dir = copy(&golden(version).join(&name), |_| true);
            let mut log = load(dir.path(), true);
            let rows = rows_of(&bytes_of(&mut log));
            if name == "g-txn-0" {
                assert_eq!((rows.len(), log.log_end()), (12, 16), "{version}");
                let plan = log
                    .read(4, 1 << 20, Isolation::TxnCommitted, true, Disk::Wait)
                    .unwrap();
                let aborted: Vec<_> = plan
                    .aborted
                    .unwrap()
                    .iter()
                    .map(|t| (t.first_offset, t.last_offset))
                    .collect();
                assert_eq!(aborted, [(4, 7), (12, 15)], "{version}");
            } else {
                assert_eq!(rows, expected(&name), "{version} {name}");
                let mut scratch = Vec::new();
                if !name.contains("0.9.0") {
                    let at = log
                        .offset_for_timestamp(1_700_000_000_295, &mut scratch, Disk::Wait)
                        .unwrap();
                    assert_eq!(at.unwrap().offset, 30, "{version} {name}");
                }
            }
        }
    }
}

/// Of records with equal timestamps 2.7 enters the first into the time index; 3.9, and we, enter the
/// last of their batch.
fn differs_by_version(version: &str, name: &str, file: &str) -> bool {
    version == "2.7.0" && name == "g-txn-0" && file.ends_with(".timeindex")
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.file_name() != "partition.metadata")
        .map(|e| {
            (
                e.file_name().into_string().unwrap(),
                fs::read(e.path()).unwrap(),
            )
        })
        .collect();
    all.sort();
    all
}

#[test]
fn recovery_makes_the_indexes_that_java_made() {
    for version in ["2.7.0", "3.9.2"] {
        for name in partitions(version)
            .into_iter()
            .filter(|n| !has_sets_of_plain_messages(n))
        {
            let from = golden(version).join(&name);
            let dir = copy(&from, |file| {
                file.ends_with(".log") || file == "leader-epoch-checkpoint"
            });
            let mut log = load(dir.path(), false);
            log.close(NOW).unwrap();
            let ours = files(dir.path());
            for (file, bytes) in files(&from) {
                // Snapshots hold what was known when a segment was rolled or closed; recovery makes
                // those it needs.
                if differs_by_version(version, &name, &file) {
                    continue;
                }
                if file.ends_with(".snapshot") && !ours.iter().any(|(f, _)| *f == file) {
                    continue;
                }
                let found = ours.iter().find(|(f, _)| *f == file).map(|(_, b)| b);
                assert_eq!(found, Some(&bytes), "{version} {name}/{file}");
            }
        }
    }
}

#[test]
fn the_same_appends_make_the_same_files() {
    for version in ["2.7.0", "3.9.2"] {
        for name in partitions(version)
            .into_iter()
            .filter(|n| !has_sets_of_plain_messages(n))
        {
            let from = golden(version).join(&name);
            let source = copy(&from, |_| true);
            let bytes = bytes_of(&mut load(source.path(), true));
            let dir = tempfile::tempdir().unwrap();
            let mut log = load(dir.path(), false);
            for batch in Batches::new(&bytes) {
                log.append_as_follower(batch.unwrap().bytes, NOW).unwrap();
            }
            log.set_high_watermark(log.log_end());
            log.close(NOW).unwrap();
            let (ours, theirs) = (files(dir.path()), files(&from));
            let names = |all: &[(String, Vec<u8>)]| -> Vec<String> {
                all.iter().map(|f| f.0.clone()).collect()
            };
            assert_eq!(names(&ours), names(&theirs), "{version} {name}");
            for ((file, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                if !differs_by_version(version, &name, file) {
                    assert_eq!(ours, theirs, "{version} {name}/{file}");
                }
            }
        }
    }
}

#[test]
fn conversions_keep_the_records() {
    for version in ["2.7.0", "3.9.2"] {
        for name in partitions(version)
            .into_iter()
            .filter(|n| !n.contains("txn"))
        {
            let dir = copy(&golden(version).join(&name), |_| true);
            let bytes = bytes_of(&mut load(dir.path(), true));
            let all = rows_of(&bytes);
            for magic in [0, 1] {
                let Ok(old) = down_convert(&bytes, magic, 0, 1 << 20) else {
                    assert!(name.contains("zstd"));
                    continue;
                };
                let want: Vec<Row> = all
                    .iter()
                    .map(|r| {
                        (
                            r.0,
                            if magic == 0 { -1 } else { r.1 },
                            r.2.clone(),
                            r.3.clone(),
                            0,
                        )
                    })
                    .collect();
                let known_already = name.contains("0.9.0");
                let got = rows_of(&old);
                assert!(known_already || got == want, "{version} {name} v{magic}");
                let new = up_convert(&old, BatchOptions::default(), 1 << 20).unwrap();
                assert_eq!(rows_of(&new).len(), 60);
            }
        }
    }
}

/// Writes one log of every kind there is.
fn write_all_kinds(dir: &Path) -> Log {
    let mut log = load(dir, false);
    let mut scratch = Vec::new();
    let mut sequence = 0;
    for codec in 0..5 {
        for n in 0..8i64 {
            let compression = Compression::from_id(codec).unwrap();
            let mut b = BatchBuilder::new(BatchOptions {
                compression,
                producer_id: 4000,
                producer_epoch: 1,
                base_sequence: sequence,
                ..Default::default()
            });
            for i in 0..5i64 {
                let headers = [
                    Header {
                        key: b"h",
                        value: Some(b"v"),
                    },
                    Header {
                        key: b"n",
                        value: None,
                    },
                ];
                let value = format!("value {n} {i} ").repeat(20);
                b.append(
                    NOW + n * 10 + i,
                    Some(b"key"),
                    Some(value.as_bytes()),
                    headers.into_iter(),
                );
            }
            sequence += b.count();
            let records = Bytes::from(b.build().unwrap());
            log.append_as_leader(
                &records,
                Origin::Client,
                i32::from(codec),
                NOW,
                &mut scratch,
            )
            .unwrap();
        }
    }
    for magic in [0, 1] {
        for codec in 0..4 {
            let mut b = MessageSetBuilder::new(magic, Compression::from_id(codec).unwrap(), None);
            for i in 0..6 {
                b.append(i, NOW, Some(b"old"), Some(b"message"));
            }
            let mut set = Vec::new();
            b.finish_into(&mut set).unwrap();
            log.append_as_leader(&Bytes::from(set), Origin::Client, 9, NOW, &mut scratch)
                .unwrap();
        }
    }
    for (n, commit) in [true, false, false].into_iter().enumerate() {
        let mut b = BatchBuilder::new(BatchOptions {
            producer_id: 5000,
            producer_epoch: 0,
            base_sequence: n as i32,
            transactional: true,
            ..Default::default()
        });
        b.append(NOW, None, Some(b"in a transaction"), std::iter::empty());
        let records = Bytes::from(b.build().unwrap());
        log.append_as_leader(&records, Origin::Client, 9, NOW, &mut scratch)
            .unwrap();
        let marker = EndTxnMarker {
            commit,
            coordinator_epoch: 2,
        };
        let control = Bytes::from(control_batch(marker, NOW, 5000, 0).unwrap());
        log.append_as_leader(&control, Origin::Coordinator, 9, NOW, &mut scratch)
            .unwrap();
    }
    log.set_high_watermark(log.log_end());
    log
}

#[test]
fn what_we_wrote_passes_javas_dump_log() {
    let java = java_or_skip!();
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("g-0");
    fs::create_dir(&dir).unwrap();
    let mut log = write_all_kinds(&dir);
    log.close(NOW).unwrap();
    let list = |suffix: &str| -> String {
        let mut names: Vec<String> = fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().path().display().to_string())
            .filter(|p| p.ends_with(suffix))
            .collect();
        names.sort();
        names.join(",")
    };
    for peer in ["kafka-2.7.0", "kafka-3.9.2"] {
        let dump = |args: &[&str]| {
            java.tool(peer, "kafka.tools.DumpLogSegments", args, "")
                .success()
        };
        let data = dump(&[
            "--deep-iteration",
            "--print-data-log",
            "--files",
            &list(".log"),
        ]);
        assert!(
            !data.contains("isvalid: false") && !data.contains("isValid: false"),
            "{peer}: {data}"
        );
        assert!(!data.contains("Found invalid"), "{peer}: {data}");
        assert_eq!(data.matches(" payload: value ").count(), 200, "{peer}");
        assert_eq!(data.matches(" payload: message").count(), 48, "{peer}");
        assert_eq!(
            data.matches("endTxnMarker: ABORT").count(),
            2,
            "{peer}: {data}"
        );
        let index = dump(&["--index-sanity-check", "--files", &list(".index")]);
        assert_eq!(
            index.matches("passed sanity check").count(),
            log.segment_count(),
            "{peer}: {index}"
        );
        let times = dump(&["--files", &list(".timeindex")]);
        assert!(
            !times.contains("Found timestamp mismatch"),
            "{peer}: {times}"
        );
        assert!(!times.contains("Found out of order"), "{peer}: {times}");
        let txns = dump(&["--files", &list(".txnindex")]);
        assert_eq!(
            txns.matches("producerId: 5000").count(),
            2,
            "{peer}: {txns}"
        );
        let snapshots = dump(&["--files", &list(".snapshot")]);
        assert!(
            snapshots.contains("producerId: 4000 producerEpoch: 1"),
            "{peer}: {snapshots}"
        );
    }
}
