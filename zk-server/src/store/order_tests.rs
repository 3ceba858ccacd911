//! Orders to the owner of the files, on a real folder.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::epochs::{self, Epoch};
use super::testing::record;
use super::txnlog::Synced;
use super::*;
use crate::store::image::Image;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::Database;
use crate::units::{LinkId, Zxid};

/// Runs jobs at once.
#[derive(Default)]
struct Inline {
    done: Vec<DiskDone>,
    syncs: usize,
}

impl Beside for Inline {
    fn start(&mut self, job: Job) {
        let (done, result) = job.run();
        result.unwrap();
        self.done.push(done);
    }
    fn finish(&mut self) {}
    fn synced(&mut self, _: &Synced, _: u64, _: bool) {
        self.syncs += 1;
    }
}

fn open(dir: &Path) -> (Worker, Loaded) {
    let config = StoreConfig {
        pre_alloc: 16 << 10,
        ..StoreConfig::new(dir)
    };
    let settings = DatabaseSettings {
        digest: true,
        commit_log: 10,
        ..DatabaseSettings::default()
    };
    Worker::open(Store::open(Arc::new(RealDisk), config).unwrap(), settings).unwrap()
}

fn append(zxid: i64) -> DiskOrder {
    DiskOrder::Append {
        zxid: Zxid(zxid),
        record: Bytes::from(record(zxid, 0)),
    }
}

fn say(done: &DiskDone) -> String {
    match done {
        DiskDone::Logged { zxid } => format!("logged {:x}", zxid.0),
        DiskDone::SnapshotDone { zxid, ok } => format!("snapshot {:x} {ok}", zxid.0),
        DiskDone::SnapshotSaved { zxid } => format!("saved {:x}", zxid.0),
        DiskDone::Flushed => "flushed".to_owned(),
        DiskDone::EpochWritten { which, value } => format!("{which:?} {value}"),
        DiskDone::Reloaded { database } => format!("reloaded {:x}", database.last_zxid().0),
        DiskDone::LogRead { records, .. } => {
            let zxids: Vec<String> = records.iter().map(|r| format!("{:x}", r.0.0)).collect();
            format!("read {}", zxids.join(","))
        }
    }
}

fn run(worker: &mut Worker, orders: Vec<DiskOrder>) -> Vec<String> {
    let (mut beside, mut done) = (Inline::default(), Vec::new());
    worker.carry_out(orders, &mut beside, &mut done).unwrap();
    done.extend(beside.done);
    done.iter().map(say).collect()
}

/// A database whose last transaction has this zxid.
fn image_at(zxid: i64) -> Image {
    let mut database = Database::new(crate::tree::EphemeralTypes::default(), true);
    database.apply_logged(&record(zxid, 0)).unwrap();
    database.image()
}

fn read_log(after: i64, bytes: u64) -> DiskOrder {
    DiskOrder::ReadLog {
        link: LinkId(1),
        after: Zxid(after),
        bytes,
    }
}

#[test]
fn records_are_durable_before_what_is_ordered_after_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    let epoch = |which, value| DiskOrder::WriteEpoch { which, value };
    let said = run(
        &mut worker,
        vec![
            epoch(Epoch::Accepted, 1),
            append(0x1_0000_0001),
            append(0x1_0000_0002),
            epoch(Epoch::Current, 1),
            DiskOrder::Flush,
            append(0x1_0000_0003),
        ],
    );
    assert_eq!(
        said,
        [
            "Accepted 1",
            "logged 100000002",
            "Current 1",
            "flushed",
            "logged 100000003"
        ]
    );
    let (mut worker, loaded) = open(dir.path());
    assert_eq!(loaded.database.committed().max(), Some(0x1_0000_0003));
    assert_eq!(worker.epochs(loaded.found.zxid).unwrap().current, 1);
}

#[test]
fn a_death_between_transactions_and_epoch_leaves_a_folder_that_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    let write = |which, value| DiskOrder::WriteEpoch { which, value };
    run(
        &mut worker,
        vec![write(Epoch::Accepted, 3), write(Epoch::Current, 1)],
    );
    run(
        &mut worker,
        vec![append(0x1_0000_0001), append(0x2_0000_0001)],
    );
    let snap_dir = dir.path().join("version-2");
    let tmp = epochs::read_unfinished(&RealDisk, &snap_dir, Epoch::Current);
    assert_eq!(tmp.unwrap(), Some(2));
    let (mut worker, loaded) = open(dir.path());
    let found = worker.epochs(loaded.found.zxid).unwrap();
    assert_eq!((found.current, found.accepted), (2, 3));
}

#[test]
fn what_follows_a_cut_lands_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    run(&mut worker, (1..=5).map(append).collect());
    let said = run(
        &mut worker,
        vec![append(6), DiskOrder::Truncate { zxid: Zxid(3) }, append(4)],
    );
    assert_eq!(said, ["logged 6", "reloaded 3", "logged 4"]);
    let (mut worker, loaded) = open(dir.path());
    assert_eq!((loaded.found.zxid.0, loaded.found.replayed), (4, 4));
    // a transaction that this server never had: what is left is older
    let said = run(
        &mut worker,
        vec![
            append(0x2_0000_0001),
            DiskOrder::Truncate {
                zxid: Zxid(0x1_0000_0009),
            },
        ],
    );
    assert_eq!(said, ["logged 200000001", "reloaded 4"]);
    // back to the very beginning
    let said = run(&mut worker, vec![DiskOrder::Truncate { zxid: Zxid(0) }]);
    assert_eq!(said, ["reloaded 0"]);
    run(&mut worker, vec![append(0x3_0000_0001)]);
    assert_eq!(open(dir.path()).1.found.zxid.0, 0x3_0000_0001);
}

#[test]
fn a_cut_below_the_oldest_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    run(&mut worker, vec![DiskOrder::SaveSnapshot(image_at(7))]);
    std::fs::remove_file(dir.path().join("version-2/snapshot.0")).unwrap();
    let orders = vec![DiskOrder::Truncate { zxid: Zxid(5) }];
    let result = worker.carry_out(orders, &mut Inline::default(), &mut Vec::new());
    assert!(matches!(result, Err(StoreError::CannotCut { .. })));
}

#[test]
fn a_leaders_state_takes_the_place_of_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    run(&mut worker, (1..=9).map(append).collect());
    let said = run(
        &mut worker,
        vec![DiskOrder::SaveSnapshot(image_at(5)), append(6)],
    );
    assert_eq!(said, ["saved 5", "logged 6"]);
    let found = open(dir.path()).1.found;
    assert_eq!((found.zxid.0, found.replayed), (6, 1));
}

#[test]
fn a_state_that_was_being_installed_is_installed_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    run(&mut worker, (1..=9).map(append).collect());
    let image = image_at(5);
    let snapshots = worker.store().snapshots();
    snapshots.write_named(&*image.0, names::INSTALLING).unwrap();
    let (_, loaded) = open(dir.path());
    assert_eq!((loaded.found.zxid.0, loaded.found.replayed), (5, 0));
    assert_eq!(open(dir.path()).1.found.zxid.0, 5);
}

#[test]
fn the_log_is_read_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, _) = open(dir.path());
    let none = "read ".to_owned();
    let first: Vec<_> = (0x1_0000_0001..=0x1_0000_0003).map(append).collect();
    run(&mut worker, first);
    run(&mut worker, vec![DiskOrder::Roll, append(0x2_0000_0001)]);
    let mut read = |after, bytes| run(&mut worker, vec![read_log(after, bytes)]).remove(0);
    assert_eq!(
        read(0x1_0000_0002, 1000),
        "read 100000002,100000003,200000001"
    );
    // one that this server does not have
    assert_eq!(read(0x1_0000_0009, 1000), "read 100000003,200000001");
    assert_eq!(read(0, 1000), none, "before the first log");
    assert_eq!(read(0x1_0000_0001, 100), none, "more than allowed");
    // a leader's snapshot: 4 to 8 of the first epoch are in no log
    run(
        &mut worker,
        vec![
            DiskOrder::Truncate {
                zxid: Zxid(0x1_0000_0003),
            },
            DiskOrder::SaveSnapshot(image_at(0x1_0000_0008)),
            append(0x2_0000_0001),
        ],
    );
    let said = run(&mut worker, vec![read_log(0x1_0000_0002, 1000)]);
    assert_eq!(said[0], none);
    let said = run(&mut worker, vec![read_log(0x2_0000_0001, 1000)]);
    assert_eq!(said[0], "read 200000001");
}
