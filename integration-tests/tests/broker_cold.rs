//! A disk that does not answer holds up only those who read what is not in memory: appends and reads of what is
//! go on, on the same partition and the same thread.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use bytes::Bytes;
use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::proc::{repo_root, run, skipped, target_dir, wait_until};
use integration_tests::zk::ZkConfig;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchBuilder, BatchOptions, Batches};

const TOPIC: &str = "cold";
/// Several segments of a megabyte.
const BATCHES: i64 = 1200;
const TIME: i64 = 1_700_000_000_000;

fn shim(dir: &Path) -> PathBuf {
    let library = dir.join("libcold.so");
    let source = repo_root().join("integration-tests/shims/cold_disk.rs");
    let mut command = Command::new("rustc");
    command.args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"]);
    command.arg(&library).arg(source);
    run(command, b"").success();
    library
}

fn produce(number: i64) -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(TIME + number, None, Some(&[7; 4000]), std::iter::empty());
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(Bytes::from(builder.build().unwrap())),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn fetch(fetch_offset: i64) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: TOPIC.into(),
            partitions: vec![FetchPartition {
                fetch_offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The first offset in an answer.
fn first_offset(broker: &mut RawKafka) -> i64 {
    let answer = broker.receive::<FetchRequest>(11).unwrap();
    let partition = &answer.responses[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::NONE);
    let bytes = partition.records.bytes().cloned().unwrap_or_default();
    let first = Batches::new(&bytes).next().unwrap().unwrap();
    first.check_crc().unwrap();
    first.header.offset
}

fn append(broker: &mut RawKafka, number: i64) -> i64 {
    let answer = broker.call(9, &produce(number)).unwrap();
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::NONE);
    answer.base_offset
}

/// Takes a folder's files out of memory.
fn forget(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = File::open(entry.unwrap().path()).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    }
}

#[test]
fn a_disk_that_hangs_holds_up_only_those_who_need_it() {
    // not where temporary files are, which may be in memory
    let dir = tempfile::tempdir_in(target_dir()).unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let lines = [
        "num.io.threads=1",
        "log.segment.bytes=1048576",
        "log.retention.ms=-1",
        "offsets.topic.num.partitions=1",
    ];
    let connect = zookeeper.connect_string();
    let config = BrokerConfig::new(&dir.path().join("broker"), 0, &connect, &lines);
    let (gate, waits) = (dir.path().join("gate"), dir.path().join("gate.waits"));
    let data = config.log_dir().canonicalize().unwrap_or_else(|_| {
        std::fs::create_dir_all(config.log_dir()).unwrap();
        config.log_dir().canonicalize().unwrap()
    });
    let library = shim(dir.path());
    let _process = config.start_with(&[
        ("LD_PRELOAD", library.as_path()),
        ("GATE", gate.as_path()),
        ("COLD", data.as_path()),
    ]);
    let mut writer = RawKafka::connect(config.addr()).unwrap();
    let ask = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(TOPIC.into()),
            ..Default::default()
        }]),
        allow_auto_topic_creation: true,
        ..Default::default()
    };
    wait_until("a leader", || {
        let known = writer.call(5, &ask).unwrap();
        let mut partitions = known.topics.iter().flat_map(|t| &t.partitions);
        partitions.any(|p| p.leader_id >= 0)
    });
    for number in 0..BATCHES {
        assert_eq!(append(&mut writer, number), number);
    }

    forget(&data.join(format!("{TOPIC}-0")));
    std::fs::write(&gate, "").unwrap();
    let waiting = || std::fs::read_to_string(&waits).map_or(0, |text| text.lines().count());
    let (told, cold) = mpsc::channel();
    let addr = config.addr();
    std::thread::spawn(move || {
        let mut reader = RawKafka::connect(addr).unwrap();
        reader.send(11, &fetch(10)).unwrap();
        told.send(first_offset(&mut reader)).unwrap();
    });
    let begun = std::time::Instant::now();
    while waiting() == 0 {
        if cold.try_recv().is_ok() {
            std::fs::remove_file(&gate).unwrap();
            return skipped("the target folder's file system keeps everything in memory");
        }
        assert!(begun.elapsed() < integration_tests::proc::LIMIT);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // a search by time that needs the disk too
    let mut searcher = RawKafka::connect(addr).unwrap();
    let by_time = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: TOPIC.into(),
            partitions: vec![ListOffsetsPartition {
                timestamp: TIME + 500,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    searcher.send(5, &by_time).unwrap();
    wait_until("the search to wait for the disk", || waiting() >= 2);

    let mut tail = RawKafka::connect(addr).unwrap();
    for number in BATCHES..BATCHES + 200 {
        assert_eq!(append(&mut writer, number), number);
        tail.send(11, &fetch(number)).unwrap();
        assert_eq!(first_offset(&mut tail), number);
    }
    assert!(cold.try_recv().is_err(), "answered without the disk");

    std::fs::remove_file(&gate).unwrap();
    let limit = integration_tests::proc::LIMIT;
    assert_eq!(cold.recv_timeout(limit).unwrap(), 10);
    let found = searcher.receive::<ListOffsetsRequest>(5).unwrap();
    assert_eq!(found.topics[0].partitions[0].offset, 500);
}
