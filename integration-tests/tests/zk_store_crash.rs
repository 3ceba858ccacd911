//! zk-server's files on a disk that loses power at any moment: every start finds a prefix of the
//! history that holds everything synced, whatever happened before, to the last repair.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::disk::SimDisk;
use integration_tests::rng::{Rng, seed};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::stat::StatPersisted;
use proto::zk::txn::TxnHeader;
use zk_server::store::disk::{Access, Disk};
use zk_server::store::image::{Image, ImageNode, ImageSink, ImageSource, ZxidDigest};
use zk_server::store::{Recovered, Replay, Store, StoreConfig, StoreError};
use zk_server::units::Zxid;

/// A tree that only knows a fingerprint of everything applied to it.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    zxid: i64,
    sum: u64,
}

impl State {
    fn after(&self, zxid: i64, record: &[u8]) -> Self {
        let mix = |sum: u64, b: &u8| (sum ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
        Self {
            zxid,
            sum: record.iter().fold(self.sum.wrapping_add(1), mix),
        }
    }
}

impl ImageSource for State {
    fn zxid(&self) -> Zxid {
        Zxid(self.zxid)
    }
    fn digest(&self) -> Option<ZxidDigest> {
        Some(ZxidDigest {
            zxid: self.zxid,
            version: 2,
            digest: 1,
        })
    }
    fn sessions(&self, _: &mut dyn FnMut(i64, i32)) {}
    fn session_count(&self) -> usize {
        0
    }
    fn acls(&self, _: &mut dyn FnMut(i64, &[Acl<'_>])) {}
    fn acl_count(&self) -> usize {
        0
    }
    fn nodes(&self, each: &mut dyn FnMut(ImageNode<'_>)) {
        let filler = vec![7; 3000];
        for (path, data) in [("", &self.sum.to_be_bytes()[..]), ("/filler", &filler)] {
            each(ImageNode {
                path,
                data: Some(data),
                acl: -1,
                stat: StatPersisted::default(),
            });
        }
    }
}

impl ImageSink for State {
    fn session(&mut self, _: i64, _: i32) {}
    fn acl(&mut self, _: i64, _: Vec<Acl<'_>>) {}
    fn node(&mut self, node: ImageNode<'_>) -> Result<(), String> {
        if node.path.is_empty() {
            let bytes = node.data.and_then(|d| d.try_into().ok());
            self.sum = u64::from_be_bytes(bytes.ok_or("no sum")?);
        }
        Ok(())
    }
    fn digest(&mut self, _: ZxidDigest) {}
}

impl Replay for State {
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
    fn apply(&mut self, header: &TxnHeader, record: &[u8]) -> Result<(), String> {
        *self = self.after(header.zxid, record);
        Ok(())
    }
    fn image(&self) -> Image {
        Image(Arc::new(self.clone()))
    }
}

fn record(rng: &mut Rng, zxid: i64) -> Vec<u8> {
    let header = TxnHeader {
        client_id: 1,
        cxid: 1,
        zxid,
        time: 1_700_000_000_000,
        op: OpCode::Error.code(),
    };
    let mut bytes = header.to_vec();
    let n = *rng.pick(&[4, 40, 300, 700, 3000]);
    // zeros look like what was never written
    bytes.extend(if rng.chance(20) {
        vec![0; n]
    } else {
        rng.bytes(n)
    });
    bytes
}

/// All states from the beginning, one a transaction, and how many of them are promised.
struct History {
    states: Vec<State>,
    synced: usize,
}

fn open(disk: &SimDisk) -> Result<(Store, State, Recovered), StoreError> {
    open_with(disk, true)
}

fn open_with(disk: &SimDisk, force_sync: bool) -> Result<(Store, State, Recovered), StoreError> {
    let config = StoreConfig {
        force_sync,
        pre_alloc: 8192,
        log_size_limit: Some(20_000),
        ..StoreConfig::new("/data")
    };
    let mut store = Store::open(Arc::new(disk.clone()), config)?;
    let mut state = State::default();
    let found = store.recover(&mut state)?;
    Ok((store, state, found))
}

/// Starts, checks what the start has found, and works until the power fails or nothing is left to do.
fn live(
    disk: &SimDisk,
    rng: &mut Rng,
    history: &mut History,
    work: usize,
) -> Result<(), StoreError> {
    let (mut store, state, _) = open(disk)?;
    let found = state.zxid as usize;
    assert!(
        found + 1 >= history.synced,
        "lost what was synced: {found} of {}",
        history.synced
    );
    assert_eq!(state, history.states[found], "not a prefix of the history");
    history.states.truncate(found + 1);
    history.synced = found + 1;
    for _ in 0..work {
        let last = history.states.len() - 1;
        match rng.below(20) {
            0..=11 => {
                let zxid = last as i64 + 1;
                let record = record(rng, zxid);
                store.append(Zxid(zxid), &record)?;
                history
                    .states
                    .push(history.states[last].after(zxid, &record));
            }
            12..=16 => {
                let done = store.sync()?;
                assert_eq!(done.zxid, Some(Zxid(last as i64)));
                history.synced = last + 1;
            }
            17 => store.roll()?,
            18 => {
                // only what is durable may be in a snapshot
                store
                    .snapshots()
                    .write(&history.states[history.synced - 1])?;
            }
            _ => {
                store.purge(3, &mut |_| {})?;
            }
        }
    }
    store.close()?;
    history.synced = history.states.len();
    Ok(())
}

fn beginning() -> History {
    History {
        states: vec![State::default()],
        synced: 0,
    }
}

#[test]
fn every_start_after_a_power_cut_finds_all_that_was_synced() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    for round in 0..300 {
        let seed = seed.wrapping_add(round);
        let mut rng = Rng::new(seed);
        let disk = SimDisk::new(seed);
        let mut history = beginning();
        for life in 0..12 {
            disk.fail_power_after(1 + rng.below(120) as u64);
            let result = live(&disk, &mut rng, &mut history, 60);
            if disk.powered() {
                result.unwrap_or_else(|e| panic!("seed {seed}, life {life}: {e}"));
            }
            disk.power_cycle();
        }
    }
}

#[test]
fn a_power_cut_at_each_single_operation_is_survived() {
    for seed in 0..12 {
        let mut at = 1;
        loop {
            let mut rng = Rng::new(seed);
            let disk = SimDisk::new(seed * 1000 + at);
            let mut history = beginning();
            live(&disk, &mut rng, &mut history, 20).unwrap();
            disk.fail_power_after(at);
            let result = live(&disk, &mut rng, &mut history, 30);
            let survived = disk.powered();
            disk.power_cycle();
            live(&disk, &mut rng, &mut history, 5).unwrap();
            if survived {
                result.unwrap();
                break;
            }
            at += 1;
        }
        assert!(at > 20, "few operations: {at}");
    }
}

#[test]
fn after_a_failed_sync_nothing_more_is_promised() {
    let disk = SimDisk::new(1);
    let mut rng = Rng::new(1);
    let (mut store, ..) = open(&disk).unwrap();
    store.append(Zxid(1), &record(&mut rng, 1)).unwrap();
    assert_eq!(store.sync().unwrap().zxid, Some(Zxid(1)));
    store.append(Zxid(2), &record(&mut rng, 2)).unwrap();
    disk.fail_syncs(1);
    assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
    // the device works again, and would lie
    assert!(matches!(store.sync(), Err(StoreError::Poisoned(_))));
    disk.power_cycle();
    assert_eq!(open(&disk).unwrap().1.zxid, 1);
}

/// What the device has refused stays in memory until the power goes: a process that starts meanwhile
/// must not count on it.
#[test]
fn a_start_after_a_failed_sync_counts_on_nothing_that_a_power_cut_takes() {
    let disk = SimDisk::new(1);
    let mut rng = Rng::new(1);
    let (mut store, ..) = open(&disk).unwrap();
    store.append(Zxid(1), &record(&mut rng, 1)).unwrap();
    store.sync().unwrap();
    store.append(Zxid(2), &record(&mut rng, 2)).unwrap();
    disk.fail_syncs(1);
    assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
    drop(store);
    let (mut store, state, _) = open(&disk).unwrap();
    assert_eq!((state.zxid, disk.not_durable()), (1, None));
    store.append(Zxid(2), &record(&mut rng, 2)).unwrap();
    assert_eq!(store.sync().unwrap().zxid, Some(Zxid(2)));
    disk.power_cycle();
    assert_eq!(open(&disk).unwrap().1.zxid, 2);
    // the first record of a file, too
    let disk = SimDisk::new(2);
    let (mut store, ..) = open(&disk).unwrap();
    store.append(Zxid(1), &record(&mut rng, 1)).unwrap();
    disk.fail_syncs(1);
    assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
    drop(store);
    assert_eq!(open(&disk).unwrap().1.zxid, 0);
    assert_eq!(disk.not_durable(), None);
}

#[test]
fn a_full_disk_loses_nothing_and_a_failed_snapshot_leaves_nothing() {
    let disk = SimDisk::new(2);
    let mut rng = Rng::new(2);
    let mut history = beginning();
    live(&disk, &mut rng, &mut history, 50).unwrap();
    let (mut store, state, _) = open(&disk).unwrap();
    let names = || {
        let list = disk.list(Path::new("/data/version-2")).unwrap();
        list.into_iter().map(|e| e.name).collect::<Vec<_>>()
    };
    let before = names();
    disk.set_capacity(Some(1));
    assert!(
        store
            .snapshots()
            .write(&state.after(state.zxid + 1, b""))
            .is_err()
    );
    assert_eq!(names(), before);
    let zxid = state.zxid + 1;
    store.append(Zxid(zxid), &record(&mut rng, zxid)).unwrap();
    assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
    assert!(matches!(store.sync(), Err(StoreError::Poisoned(_))));
    disk.set_capacity(None);
    assert_eq!(open(&disk).unwrap().1, state);
}

#[test]
fn a_flipped_bit_in_what_was_synced_is_never_passed_over_in_silence() {
    let log = Path::new("/data/version-2/log.1");
    let mut doubted = 0;
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let disk = SimDisk::new(seed);
        let (mut store, ..) = open(&disk).unwrap();
        for zxid in 1..=12 {
            store.append(Zxid(zxid), &record(&mut rng, zxid)).unwrap();
        }
        store.sync().unwrap();
        drop(store);
        let size = store_size(&disk, log);
        disk.flip_bit(log, rng.below(size), rng.below(8) as u8);
        match open(&disk) {
            Ok((_, state, found)) if state.zxid < 12 => {
                assert!(!found.notes.is_empty());
                let doubt = |note: &String| note.contains("check the disk");
                doubted += usize::from(found.notes.iter().any(doubt));
            }
            Ok(_) => {}
            Err(StoreError::DamagedLog { path, .. }) => assert_eq!(path, log),
            Err(e) => panic!("seed {seed}: {e}"),
        }
    }
    // In the last record it looks like a torn write, and the operator is told what else it may be.
    assert!(doubted > 0);
}

fn store_size(disk: &SimDisk, path: &Path) -> usize {
    disk.open(path, Access::Read).unwrap().size().unwrap() as usize
}

#[test]
fn a_slow_sync_is_reported() {
    let disk = SimDisk::new(3);
    let (mut store, ..) = open(&disk).unwrap();
    store.append(Zxid(1), &record(&mut Rng::new(3), 1)).unwrap();
    disk.set_sync_time(Duration::from_secs(3));
    let done = store.sync().unwrap();
    assert_eq!(done.elapsed, Duration::from_secs(3));
    assert!(store.was_slow(&done));
    assert_eq!(store.stats().slow_syncs, 1);
}

#[test]
fn without_force_sync_nothing_is_synced_and_power_cuts_lose_it() {
    for force_sync in [true, false] {
        let disk = SimDisk::new(3);
        let (mut store, ..) = open_with(&disk, force_sync).unwrap();
        store.append(Zxid(1), &record(&mut Rng::new(3), 1)).unwrap();
        let done = store.sync().unwrap();
        assert_eq!(done.zxid, Some(Zxid(1)), "it is answered");
        drop(store);
        disk.power_cycle();
        let (_, state, _) = open(&disk).unwrap();
        assert_eq!(state.zxid == 1, force_sync);
    }
}
