//! The log against a naive model: append, truncate, roll, retention, reopen and crash.

#![allow(clippy::disallowed_methods, reason = "tests damage files on purpose")]

use std::fs::OpenOptions;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use proto::records::{BatchBuilder, BatchOptions, Batches, Compression, Origin};

use super::*;

const NOW: i64 = 1_700_000_000_000;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 150,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

fn options(config: LogConfig) -> LoadOptions {
    LoadOptions {
        name: "t-0".into(),
        config,
        log_start: 0,
        recovery_point: 0,
        clean: true,
        now_ms: NOW,
    }
}

fn batch(values: &[Vec<u8>], timestamp: i64, options: BatchOptions) -> Bytes {
    let mut b = BatchBuilder::new(options);
    for (i, value) in values.iter().enumerate() {
        b.append(timestamp + i as i64, None, Some(value), std::iter::empty());
    }
    Bytes::from(b.build().unwrap())
}

fn append(log: &mut Log, values: &[Vec<u8>], timestamp: i64) -> AppendInfo {
    let info = log
        .append_as_leader(
            &batch(values, timestamp, BatchOptions::default()),
            Origin::Client,
            0,
            NOW,
            &mut Vec::new(),
        )
        .unwrap();
    log.set_high_watermark(log.log_end());
    info
}

/// Every record from `from` on, read as a consumer would, in steps of `step` bytes.
fn read_all(log: &mut Log, from: i64, step: usize) -> Vec<(i64, Vec<u8>)> {
    use std::os::unix::fs::FileExt;
    let mut out = Vec::new();
    let mut next = from;
    loop {
        let plan = log
            .read(next, step, Isolation::HighWatermark, true, Disk::Wait)
            .unwrap();
        let Some(file) = plan.file else { return out };
        let mut bytes = vec![0; plan.len];
        file.read_exact_at(&mut bytes, plan.position).unwrap();
        let mut scratch = Vec::new();
        let before = next;
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            for record in batch.records(&mut scratch, 1 << 20).unwrap() {
                let record = record.unwrap();
                if record.offset >= from {
                    out.push((record.offset, record.value.unwrap().to_vec()));
                }
            }
            next = batch.header.next_offset();
        }
        assert!(next > before, "no progress at {next}");
    }
}

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<Vec<u8>>),
    Flush,
    Truncate(f64),
    AdvanceStart(f64),
    RetainBytes(u16),
    Reopen,
    /// keep this share of the unflushed bytes, then put garbage after them
    Crash(f64, Vec<u8>),
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        8 => prop::collection::vec(value, 1..5).prop_map(Op::Append),
        2 => Just(Op::Flush),
        1 => (0.0..1.0).prop_map(Op::Truncate),
        1 => (0.0..1.0).prop_map(Op::AdvanceStart),
        1 => (1000u16..9000).prop_map(Op::RetainBytes),
        1 => Just(Op::Reopen),
        2 => (0.0..1.0, prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(cut, g)| Op::Crash(cut, g)),
    ]
}

struct World {
    dir: tempfile::TempDir,
    log: Option<Log>,
    /// records in the log, by offset
    model: Vec<(i64, Vec<u8>)>,
    /// where batches begin: what a truncation falls back to
    batches: Vec<i64>,
    end: i64,
}

impl World {
    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Append(values) => {
                let now = NOW + self.end;
                let info = append(self.log(), values, now);
                assert_eq!(info.first_offset, self.end);
                self.batches.push(self.end);
                for v in values {
                    self.model.push((self.end, v.clone()));
                    self.end += 1;
                }
            }
            Op::Flush => self.log().flush(NOW).unwrap(),
            Op::Truncate(share) => self.truncate(*share),
            Op::AdvanceStart(share) => {
                let start = self.log().log_start();
                let to = start + ((self.end - start) as f64 * share) as i64;
                self.log().advance_log_start(to).unwrap();
                self.log().delete_old_segments(NOW).unwrap();
                self.log().take_doomed().iter().for_each(Doomed::remove);
                self.model.retain(|r| r.0 >= to);
            }
            Op::RetainBytes(n) => {
                let config = LogConfig {
                    retention_bytes: i64::from(*n),
                    ..config()
                };
                self.log().set_config(config);
                self.log().delete_old_segments(NOW).unwrap();
                let start = self.log().log_start();
                self.model.retain(|r| r.0 >= start);
            }
            Op::Reopen => {
                let mut log = self.log.take().unwrap();
                log.close(NOW).unwrap();
                self.reopen(&log, true);
                assert_eq!(self.log().offsets().recovery_point, self.end);
            }
            Op::Crash(share, garbage) => self.crash(*share, garbage),
        }
    }

    fn truncate(&mut self, share: f64) {
        let start = self.log().log_start();
        let to = start + ((self.end - start) as f64 * share) as i64;
        if to < self.end {
            self.log().truncate_to(to, NOW).unwrap();
            // The batch that holds the offset goes as a whole.
            let cut = self
                .batches
                .iter()
                .copied()
                .filter(|b| *b <= to)
                .max()
                .unwrap_or(to);
            self.end = cut;
            self.model.retain(|r| r.0 < cut);
            self.batches.retain(|b| *b < cut);
            let log = self.log();
            log.set_high_watermark(log.log_end());
        }
    }

    fn reopen(&mut self, old: &Log, clean: bool) {
        let offsets = old.offsets();
        let options = LoadOptions {
            log_start: offsets.log_start,
            recovery_point: offsets.recovery_point,
            clean,
            ..options(config())
        };
        let mut log = Log::load(self.dir.path(), options).unwrap();
        log.set_high_watermark(log.log_end());
        self.log = Some(log);
    }

    /// The process dies; of the active segment's unflushed bytes only some reached the disk.
    fn crash(&mut self, share: f64, garbage: &[u8]) {
        let mut old = self.log.take().unwrap();
        let recovery_point = old.offsets().recovery_point;
        let active = old.segments.len() - 1;
        let size = old.segments[active].size();
        let flushed = if recovery_point <= old.segments[active].base_offset {
            0
        } else {
            old.segments[active]
                .locate(recovery_point, Disk::Wait)
                .unwrap()
                .map_or(size, |b| b.position)
        };
        let path = self
            .dir
            .path()
            .join(segment::file_name(old.segments[active].base_offset, ".log"));
        let keep = flushed + ((size - flushed) as f64 * share) as u64;
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(keep).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, garbage, keep).unwrap();
        for suffix in [".index", ".timeindex"] {
            let path = self
                .dir
                .path()
                .join(segment::file_name(old.segments[active].base_offset, suffix));
            std::fs::write(path, garbage).unwrap();
        }
        self.reopen(&old, false);
        let end = self.log().log_end();
        assert!(
            end >= recovery_point.min(self.end),
            "flushed records are lost: {end} < {recovery_point}"
        );
        self.model.retain(|r| r.0 < end);
        self.batches.retain(|b| *b < end);
        self.end = end;
    }

    fn check(&mut self, from: f64) {
        let start = self.log().log_start();
        let from = start + ((self.end - start) as f64 * from) as i64;
        let got = read_all(self.log(), from, 700);
        let want: Vec<_> = self.model.iter().filter(|r| r.0 >= from).cloned().collect();
        assert_eq!(got, want, "from {from}");
        assert_eq!(self.log().log_end(), self.end);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn behaves_as_the_model(ops in prop::collection::vec((op(), 0.0..1.0f64), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::load(dir.path(), options(config())).unwrap();
        let mut world = World { dir, log: Some(log), model: Vec::new(), batches: Vec::new(), end: 0 };
        for (op, from) in &ops {
            world.step(op);
            world.check(*from);
        }
    }
}

fn fresh(config: LogConfig) -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::load(dir.path(), options(config)).unwrap();
    (dir, log)
}

#[test]
fn timestamps_are_found() {
    let (_dir, mut log) = fresh(config());
    for i in 0..50 {
        append(&mut log, &vec![vec![1; 100]; 3], NOW + i * 10);
    }
    assert!(log.segment_count() > 3);
    let mut scratch = Vec::new();
    for (timestamp, want) in [
        (0, Some(0)),
        (NOW + 1, Some(1)),
        (NOW + 3, Some(3)),
        (NOW + 492, Some(149)),
        (NOW + 493, None),
    ] {
        let got = log
            .offset_for_timestamp(timestamp, &mut scratch, Disk::Wait)
            .unwrap();
        assert_eq!(got.map(|t| t.offset), want, "{timestamp}");
    }
    let max = log
        .max_timestamp(&mut scratch, Disk::Wait)
        .unwrap()
        .unwrap();
    assert_eq!(
        (max.timestamp, max.offset, max.leader_epoch),
        (NOW + 492, 149, Some(0))
    );
    assert_eq!(log.earliest().offset, 0);
    assert_eq!(log.latest(Isolation::LogEnd).offset, 150);
    assert_eq!(log.offsets_before(-1, 1, NOW), [150]);
    assert_eq!(log.offsets_before(-2, 1, NOW), [0]);
}

#[test]
fn retention_by_time_keeps_what_is_young() {
    let (dir, mut log) = fresh(LogConfig {
        retention_ms: 1000,
        ..config()
    });
    for i in 0..30 {
        append(&mut log, &[vec![1; 300]], NOW - 3000 + i * 100);
    }
    let before = log.segment_count();
    assert!(log.delete_old_segments(NOW).unwrap() > 0);
    assert!(log.segment_count() < before);
    assert!(
        log.log_start() > 5 && log.log_start() <= 20,
        "{}",
        log.log_start()
    );
    let marked = file::list(dir.path(), false)
        .unwrap()
        .iter()
        .filter(|n| n.ends_with(".deleted"))
        .count();
    assert!(marked >= 3);
    log.take_doomed().iter().for_each(Doomed::remove);
    assert!(
        !file::list(dir.path(), false)
            .unwrap()
            .iter()
            .any(|n| n.ends_with(".deleted"))
    );
    // Everything is old: a new empty segment takes over at the end.
    log.delete_old_segments(NOW + 100_000).unwrap();
    assert_eq!(
        (
            log.log_start(),
            log.log_end(),
            log.segment_count(),
            log.size()
        ),
        (30, 30, 1, 0)
    );
    assert!(read_all(&mut log, 30, 100).is_empty());
}

#[test]
fn a_retry_is_answered_with_the_first_offset() {
    let (_dir, mut log) = fresh(config());
    let from_producer = |sequence| BatchOptions {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        ..Default::default()
    };
    let mut send = |sequence| {
        let bytes = batch(&[vec![1], vec![2]], NOW, from_producer(sequence));
        log.append_as_leader(&bytes, Origin::Client, 0, NOW, &mut Vec::new())
    };
    assert_eq!(send(0).unwrap().first_offset, 0);
    assert_eq!(send(2).unwrap().first_offset, 2);
    let again = send(0).unwrap();
    assert!(again.duplicate && again.first_offset == 0 && again.last_offset == 1);
    assert!(matches!(send(9), Err(LogError::OutOfOrderSequence(_))));
    assert_eq!(log.log_end(), 4);
}

#[test]
fn producer_state_survives_a_crash() {
    let (dir, mut log) = fresh(config());
    for i in 0..40 {
        let o = BatchOptions {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: i,
            ..Default::default()
        };
        log.append_as_leader(
            &batch(&[vec![0; 150]], NOW, o),
            Origin::Client,
            0,
            NOW,
            &mut Vec::new(),
        )
        .unwrap();
    }
    let before = log.producers.producers().clone();
    drop(log);
    let log = Log::load(
        dir.path(),
        LoadOptions {
            clean: false,
            ..options(config())
        },
    )
    .unwrap();
    assert_eq!(log.producers.producers().len(), 1);
    assert_eq!(
        log.producers.producers()[&7].last_sequence(),
        before[&7].last_sequence()
    );
}

#[test]
fn an_aborted_transaction_is_told_to_those_who_read_committed() {
    use proto::records::{EndTxnMarker, control_batch};
    let (dir, mut log) = fresh(config());
    let o = BatchOptions {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        transactional: true,
        ..Default::default()
    };
    log.append_as_leader(
        &batch(&[vec![1], vec![2]], NOW, o),
        Origin::Client,
        0,
        NOW,
        &mut Vec::new(),
    )
    .unwrap();
    append(&mut log, &[vec![3]], NOW);
    assert_eq!(log.last_stable(), 0);
    assert!(
        log.read(0, 1000, Isolation::TxnCommitted, true, Disk::Wait)
            .unwrap()
            .file
            .is_none()
    );
    let marker = EndTxnMarker {
        commit: false,
        coordinator_epoch: 1,
    };
    let control = Bytes::from(control_batch(marker, NOW, 7, 0).unwrap());
    log.append_as_leader(&control, Origin::Coordinator, 0, NOW, &mut Vec::new())
        .unwrap();
    log.set_high_watermark(log.log_end());
    assert_eq!(log.last_stable(), 4);
    let want = AbortedTxn {
        producer_id: 7,
        first_offset: 0,
        last_offset: 3,
        last_stable_offset: 4,
    };
    let plan = log
        .read(0, 1000, Isolation::TxnCommitted, true, Disk::Wait)
        .unwrap();
    assert_eq!(plan.aborted, Some(vec![want]));
    drop(log);
    let mut log = Log::load(
        dir.path(),
        LoadOptions {
            clean: false,
            ..options(config())
        },
    )
    .unwrap();
    log.set_high_watermark(4);
    assert_eq!(
        log.read(0, 1000, Isolation::TxnCommitted, true, Disk::Wait)
            .unwrap()
            .aborted,
        Some(vec![want])
    );
}

#[test]
fn a_follower_keeps_bytes_and_epochs() {
    let (_leader_dir, mut leader) = fresh(config());
    for i in 0..10 {
        let bytes = batch(
            &[vec![i; 50], vec![i; 60]],
            NOW,
            BatchOptions {
                compression: Compression::Lz4,
                ..Default::default()
            },
        );
        leader
            .append_as_leader(
                &bytes,
                Origin::Client,
                i32::from(i / 4),
                NOW,
                &mut Vec::new(),
            )
            .unwrap();
    }
    let (_dir, mut follower) = fresh(LogConfig {
        segment_bytes: 400,
        ..config()
    });
    let path = leader.dir().join(segment::file_name(0, ".log"));
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        follower.append_as_follower(&bytes, NOW).unwrap(),
        leader.log_end()
    );
    assert_eq!(follower.leader_epochs(), leader.leader_epochs());
    assert_eq!(follower.leader_epochs().len(), 3);
    assert!(follower.segment_count() > 1);
    assert!(matches!(
        follower.append_as_follower(&bytes, NOW),
        Err(LogError::UnexpectedOffset { .. })
    ));
    follower.truncate_to(11, NOW).unwrap();
    assert_eq!(follower.latest_epoch(), Some(1));
    follower.set_high_watermark(5);
    assert!(
        read_all(&mut follower, 0, 10_000).iter().all(|r| r.0 < 5),
        "nothing above the high watermark"
    );
}

#[test]
fn a_time_index_that_lies_is_rebuilt() {
    let (dir, mut log) = fresh(LogConfig {
        retention_ms: 1000,
        ..config()
    });
    for _ in 0..20 {
        append(&mut log, &[vec![1; 300]], NOW);
    }
    log.close(NOW).unwrap();
    let end = log.log_end();
    // Zeros as after a power cut would say "1970" (KAFKA-10207).
    std::fs::write(
        dir.path().join(segment::file_name(0, ".timeindex")),
        [0; 24],
    )
    .unwrap();
    let config = LogConfig {
        retention_ms: 1000,
        ..config()
    };
    let mut log = Log::load(
        dir.path(),
        LoadOptions {
            recovery_point: end,
            ..options(config)
        },
    )
    .unwrap();
    log.set_high_watermark(end);
    assert_eq!(log.delete_old_segments(NOW).unwrap(), 0);
    assert_eq!(read_all(&mut log, 0, 1000).len(), 20);
}

#[test]
fn after_a_failed_write_nothing_is_appended() {
    let (dir, mut log) = fresh(config());
    append(&mut log, &[vec![1]], NOW);
    log.guard::<()>(Err(std::io::Error::other("disk gone")))
        .unwrap_err();
    let bytes = batch(&[vec![2]], NOW, BatchOptions::default());
    let again = log.append_as_leader(&bytes, Origin::Client, 0, NOW, &mut Vec::new());
    assert!(matches!(again, Err(LogError::Poisoned { .. })));
    assert!(log.close(NOW).is_err(), "such a log is not closed cleanly");
    let log = reload(dir.path());
    assert_eq!(log.log_end(), 1);
}

#[test]
fn only_the_last_appends_of_this_process_are_taken_for_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::load(dir.path(), options(LogConfig::default())).unwrap();
    for n in 0..40 {
        append(&mut log, &[vec![n]], NOW);
    }
    let known = |log: &mut Log, offset| {
        let plan = log.read(offset, 1000, Isolation::HighWatermark, true, Disk::Wait);
        plan.unwrap().in_memory
    };
    assert!(known(&mut log, 39) && known(&mut log, 20));
    assert!(!known(&mut log, 0), "too long ago to be sure");
    drop(log);
    let mut log = reload(dir.path());
    assert!(!known(&mut log, 39), "another process wrote it");
}

fn reload(dir: &Path) -> Log {
    Log::load(
        dir,
        LoadOptions {
            clean: false,
            ..options(config())
        },
    )
    .unwrap()
}
