//! Shards with real threads and files: append, fetch that waits, restart, locks and ids.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use proto::records::{BatchBuilder, BatchOptions, Origin};

use super::*;
use crate::log::{Isolation, LogConfig, LogError, TopicPartition};

fn tp(partition: i32) -> TopicPartition {
    TopicPartition {
        topic: "t".into(),
        partition,
    }
}

fn records(value: &[u8]) -> Bytes {
    let mut b = BatchBuilder::new(BatchOptions::default());
    b.append(1_700_000_000_000, None, Some(value), std::iter::empty());
    Bytes::from(b.build().unwrap())
}

fn start(dir: &std::path::Path) -> LogManager {
    let dirs = LogDirs::open(&[PathBuf::from(dir)]).unwrap();
    let settings = LogManagerSettings {
        io_threads: 2,
        file_delete_delay: Duration::ZERO,
        ..Default::default()
    };
    LogManager::start(dirs, &settings, |_| LogConfig::default()).unwrap()
}

async fn lead(manager: &LogManager, partition: i32) {
    manager
        .create(
            tp(partition),
            Some("AAAAAAAAAAAAAAAAAAAAAQ"),
            LogConfig::default(),
        )
        .await
        .unwrap()
        .unwrap();
    manager
        .shards()
        .with(tp(partition), |h| h.become_leader(3, true))
        .await
        .unwrap()
        .unwrap();
}

async fn append(shards: &Shards, partition: i32, value: &[u8]) -> i64 {
    let item = AppendItem {
        partition: tp(partition),
        records: records(value),
    };
    let done = shards
        .append(vec![item], Origin::Client)
        .await
        .unwrap()
        .pop()
        .unwrap();
    done.result.unwrap().first_offset
}

fn read(partition: i32, offset: i64) -> ReadItem {
    ReadItem {
        partition: tp(partition),
        offset,
        max_bytes: 1 << 20,
        isolation: Isolation::HighWatermark,
        leader_epoch: None,
        min_one_batch: true,
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(work)
}

#[test]
fn records_survive_a_restart_and_a_deletion_does_too() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(dir.path());
    run(async {
        for p in 0..4 {
            lead(&manager, p).await;
            for i in 0..10 {
                assert_eq!(append(manager.shards(), p, b"x").await, i);
            }
        }
        assert!(manager.delete(tp(3)).await.unwrap().unwrap());
        assert!(!manager.delete(tp(9)).await.unwrap().unwrap());
        let gone = manager
            .shards()
            .read(vec![read(3, 0)], None)
            .await
            .unwrap()
            .pop()
            .unwrap();
        assert!(matches!(gone, Err(LogError::NotHere { .. })));
    });
    manager.close(7);
    let text = std::fs::read_to_string(dir.path().join(".kafka_cleanshutdown")).unwrap();
    assert_eq!(text, r#"{"version":0,"brokerEpoch":7}"#);
    let text =
        std::fs::read_to_string(dir.path().join("recovery-point-offset-checkpoint")).unwrap();
    assert_eq!(text, "0\n3\nt 0 10\nt 1 10\nt 2 10\n");
    let manager = start(dir.path());
    assert!(!dir.path().join(".kafka_cleanshutdown").exists());
    run(async {
        let not_leader = manager
            .shards()
            .read(vec![read(0, 0)], None)
            .await
            .unwrap()
            .pop()
            .unwrap();
        assert!(
            matches!(not_leader, Err(LogError::NotHere { .. })),
            "nobody said yet who leads"
        );
        lead(&manager, 0).await;
        assert_eq!(append(manager.shards(), 0, b"y").await, 10);
        let plan = manager
            .shards()
            .read(vec![read(0, 0)], None)
            .await
            .unwrap()
            .pop()
            .unwrap()
            .unwrap();
        assert_eq!(
            (plan.offsets.high_watermark, plan.offsets.log_end),
            (11, 11)
        );
        assert!(plan.len > 600);
        assert_eq!(
            manager.stored_topic_id(&tp(0)).as_deref(),
            Some("AAAAAAAAAAAAAAAAAAAAAQ")
        );
    });
    manager.close(8);
}

#[test]
fn a_fetch_waits_for_data_in_one_shard_or_in_two() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(dir.path());
    run(async {
        for p in 0..4 {
            lead(&manager, p).await;
        }
        let wait = Some(ReadWait {
            min_bytes: 1,
            max_wait: Duration::from_secs(60),
        });
        for partitions in [vec![0], vec![0, 1, 2, 3]] {
            let start = manager
                .shards()
                .with(tp(0), |h| Ok(h.log.log_end()))
                .await
                .unwrap()
                .unwrap();
            let items: Vec<_> = partitions
                .iter()
                .map(|p| read(*p, if *p == 0 { start } else { 0 }))
                .collect();
            let (got, _) = tokio::join!(manager.shards().read(items, wait), async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                append(manager.shards(), 0, b"new").await
            });
            let got = got.unwrap();
            assert!(got[0].as_ref().unwrap().len > 0);
            assert!(got[1..].iter().all(|r| r.as_ref().unwrap().len == 0));
        }
        // Time over: an empty answer.
        let wait = Some(ReadWait {
            min_bytes: 1,
            max_wait: Duration::from_millis(20),
        });
        for partitions in [vec![1], vec![1, 2, 3]] {
            let items: Vec<_> = partitions.iter().map(|p| read(*p, 0)).collect();
            let got = manager.shards().read(items, wait).await.unwrap();
            assert!(got.iter().all(|r| r.as_ref().unwrap().file.is_none()));
        }
        // A leader that steps down sends its waiters away at once.
        let wait = Some(ReadWait {
            min_bytes: 1,
            max_wait: Duration::from_secs(60),
        });
        let (got, _) = tokio::join!(manager.shards().read(vec![read(1, 0)], wait), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            manager
                .shards()
                .with(tp(1), |h| {
                    h.become_follower(4);
                    Ok(())
                })
                .await
        });
        assert!(matches!(got.unwrap()[0], Err(LogError::NotHere { .. })));
    });
    manager.close(-1);
}

#[test]
fn epochs_of_readers_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(dir.path());
    run(async {
        lead(&manager, 0).await;
        for (epoch, want) in [(2, Some(74)), (3, None), (4, Some(75))] {
            let item = ReadItem {
                leader_epoch: Some(epoch),
                ..read(0, 0)
            };
            let got = manager
                .shards()
                .read(vec![item], None)
                .await
                .unwrap()
                .pop()
                .unwrap();
            assert_eq!(got.err().map(|e| e.code().0), want);
        }
        let far = manager
            .shards()
            .read(vec![read(0, 5)], None)
            .await
            .unwrap()
            .pop()
            .unwrap();
        assert_eq!(far.unwrap_err().code().0, 1);
        let queries = vec![(tp(0), OffsetQuery::Latest(Isolation::HighWatermark), None)];
        let found = manager
            .shards()
            .list_offsets(queries)
            .await
            .unwrap()
            .pop()
            .unwrap()
            .unwrap();
        assert!(matches!(found, OffsetsFound::One(Some(t)) if t.offset == 0));
    });
    manager.close(-1);
}

#[test]
fn ids_of_cluster_and_broker_must_fit() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [dir.path().join("a"), dir.path().join("b")];
    let mut dirs = LogDirs::open(&paths).unwrap();
    assert_eq!(dirs.check_broker_id(5).unwrap(), Some(5));
    dirs.store("c1", 5).unwrap();
    drop(dirs);
    let text = std::fs::read_to_string(paths[0].join("meta.properties")).unwrap();
    assert_eq!(text, "#\nbroker.id=5\ncluster.id=c1\nversion=0\n");
    let dirs = LogDirs::open(&paths).unwrap();
    assert_eq!(dirs.check_broker_id(-1).unwrap(), Some(5));
    let wrong = dirs.check_broker_id(6).unwrap_err().to_string();
    assert!(
        wrong.contains("Configured broker.id 6 doesn't match stored broker.id 5"),
        "{wrong}"
    );
    dirs.check_cluster_id("c1", 0).unwrap();
    let wrong = dirs
        .check_cluster_id("c2", i64::MAX)
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("The Cluster ID c2 doesn't match stored clusterId Some(c1)"),
        "{wrong}"
    );
    assert!(wrong.contains("The new side is ZooKeeper"), "{wrong}");
    let wrong = dirs.check_cluster_id("c2", 0).unwrap_err().to_string();
    assert!(
        wrong.contains("The new side are the log directories"),
        "{wrong}"
    );
}

#[test]
fn names_of_directories() {
    use super::dirs::{DirKind, delete_name, parse_dir};
    assert_eq!(
        parse_dir("a-b-12"),
        Some(DirKind::Partition(TopicPartition {
            topic: "a-b".into(),
            partition: 12
        }))
    );
    assert_eq!(parse_dir("lost+found"), None);
    assert_eq!(parse_dir("t-0.f9a1-delete"), Some(DirKind::Deleted));
    let long = TopicPartition {
        topic: "x".repeat(249),
        partition: 0,
    };
    assert_eq!(delete_name(&long).len(), 255);
    assert_eq!(parse_dir(&delete_name(&long)), Some(DirKind::Deleted));
}

#[test]
fn files_of_deleted_segments_go_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let manager = start(dir.path());
    // The first to go stays for an hour.
    let delete_all_but_the_last = |delay| {
        run(async {
            let shards = manager.shards();
            let config = LogConfig {
                segment_bytes: 100,
                retention_ms: -1,
                file_delete_delay_ms: delay,
                ..LogConfig::default()
            };
            let work = |h: &mut Hosted| {
                h.log.set_config(config);
                Ok(())
            };
            shards.with(tp(0), work).await.unwrap().unwrap();
            append(shards, 0, b"x").await;
            let work = |h: &mut Hosted| {
                let end = h.log.high_watermark();
                h.log.advance_log_start(end)?;
                h.log.delete_old_segments(super::worker::now_ms())
            };
            assert_eq!(shards.with(tp(0), work).await.unwrap().unwrap(), 1);
        });
    };
    run(async {
        lead(&manager, 0).await;
        append(manager.shards(), 0, b"y").await;
    });
    delete_all_but_the_last(3_600_000);
    delete_all_but_the_last(0);
    let there = |base: i64, suffix: &str| {
        let name = format!("{base:020}{suffix}");
        dir.path().join("t-0").join(name).exists()
    };
    assert!(!there(0, ".log") && !there(1, ".log") && there(2, ".log"));
    let begun = std::time::Instant::now();
    while there(1, ".log.deleted") || there(1, ".index.deleted") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(there(0, ".log.deleted") && there(0, ".timeindex.deleted"));
    manager.close(-1);
}
