//! Starts, crashes and repairs on a real folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::testing::{Model, record};
use super::*;
use crate::units::Zxid;

fn config(dir: &Path) -> StoreConfig {
    StoreConfig {
        pre_alloc: 16 << 10,
        ..StoreConfig::new(dir)
    }
}

fn start(dir: &Path) -> Result<(Store, Model, Recovered), StoreError> {
    let mut store = Store::open(Arc::new(RealDisk), config(dir))?;
    let mut model = Model::default();
    let found = store.recover(&mut model)?;
    Ok((store, model, found))
}

/// A folder with the transactions 1 to `n`, 100 bytes each, in one log.
fn filled(n: i64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = start(dir.path()).unwrap();
    for zxid in 1..=n {
        store.append(Zxid(zxid), &record(zxid, 100)).unwrap();
    }
    store.sync().unwrap();
    dir
}

fn file(dir: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
    dir.path().join("version-2").join(name)
}

fn kept(dir: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir.path().join("version-2"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("damaged."))
        .collect();
    names.sort();
    names
}

/// Bytes of one record of `filled` in the file.
const RECORD: usize = 12 + 36 + 100 + 1;

#[test]
fn a_first_start_leaves_a_snapshot_before_any_log() {
    let dir = tempfile::tempdir().unwrap();
    let (_, _, found) = start(dir.path()).unwrap();
    assert_eq!(found.zxid, Zxid(0));
    assert!(file(&dir, "snapshot.0").exists());
    let (_, model, found) = start(dir.path()).unwrap();
    assert_eq!((model.zxid, found.replayed), (0, 0));
}

#[test]
fn what_was_synced_is_replayed() {
    let dir = filled(5);
    let (mut store, model, found) = start(dir.path()).unwrap();
    assert_eq!(model.applied, [1, 2, 3, 4, 5]);
    assert_eq!(found.zxid, Zxid(5));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    store.append(Zxid(6), &record(6, 1)).unwrap();
    store.close().unwrap();
    let (_, model, _) = start(dir.path()).unwrap();
    assert_eq!(model.applied, [1, 2, 3, 4, 5, 6]);
    assert!(file(&dir, "log.6").exists());
}

#[test]
fn a_newer_snapshot_shortens_the_replay() {
    let dir = filled(5);
    let (store, ..) = start(dir.path()).unwrap();
    store.snapshots().write(&Model::at(3, 10)).unwrap();
    let (_, model, found) = start(dir.path()).unwrap();
    assert_eq!(model.applied, [4, 5]);
    assert_eq!(model.nodes[1].1.as_deref().unwrap().len(), 40);
    assert_eq!(found.snapshot.unwrap(), file(&dir, "snapshot.3"));
}

#[test]
fn a_log_cut_anywhere_is_a_prefix_and_a_copy_is_kept() {
    let whole = filled(3);
    let bytes = fs::read(file(&whole, "log.1")).unwrap();
    let end = 16 + 3 * RECORD;
    for cut in 0..end {
        let dir = tempfile::tempdir().unwrap();
        drop(start(dir.path()).unwrap());
        fs::write(file(&dir, "log.1"), &bytes[..cut]).unwrap();
        let (_, model, _) = start(dir.path()).unwrap();
        let whole_records = cut.saturating_sub(16) / RECORD;
        assert_eq!(model.applied.len(), whole_records, "cut at {cut}");
        // zeros alone are no torn record
        let rest = if cut < 16 {
            0
        } else {
            16 + whole_records * RECORD
        };
        let torn = bytes[rest..cut].iter().any(|b| *b != 0);
        assert_eq!(!kept(&dir).is_empty(), torn, "cut at {cut}");
        let (mut store, ..) = start(dir.path()).unwrap();
        let next = whole_records as i64 + 1;
        store.append(Zxid(next), &record(next, 5)).unwrap();
        store.sync().unwrap();
        assert_eq!(
            start(dir.path()).unwrap().1.applied.len(),
            whole_records + 1
        );
    }
}

#[test]
fn zeros_instead_of_a_torn_end_are_no_damage() {
    let dir = filled(3);
    let path = file(&dir, "log.1");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16 + 2 * RECORD..].fill(0);
    fs::write(&path, bytes).unwrap();
    let (_, model, found) = start(dir.path()).unwrap();
    assert_eq!(model.applied, [1, 2]);
    assert!(found.notes.is_empty() && kept(&dir).is_empty());
}

#[test]
fn a_flipped_bit_before_good_records_stops_the_start_until_given_up() {
    let dir = filled(4);
    let path = file(&dir, "log.1");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16 + RECORD + 60] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let error = start(dir.path()).unwrap_err();
    let text = error.to_string();
    for part in [
        path.to_str().unwrap(),
        &format!("offset {}", 16 + RECORD),
        "checksum",
        "0x1.",
        "--cut",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes, "a refusal changes nothing");
    let done = cut::give_up(&RealDisk, &path).unwrap();
    assert_eq!((done.kept_records, done.last_good), (1, Some(Zxid(1))));
    assert_eq!(start(dir.path()).unwrap().1.applied, [1]);
    assert_eq!(kept(&dir).len(), 1);
}

#[test]
fn a_batch_whose_middle_was_never_written_is_a_torn_end() {
    let dir = filled(40);
    let path = file(&dir, "log.1");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1024..1536].fill(0);
    fs::write(&path, bytes).unwrap();
    let (_, model, found) = start(dir.path()).unwrap();
    assert_eq!(model.applied.len(), (1024 - 16) / RECORD);
    assert!(
        found.notes[0].contains("never written"),
        "{:?}",
        found.notes
    );
    assert_eq!(kept(&dir).len(), 1);
}

/// A record begins with four zeros: what stands of them in the lost sector reads as if it were whole.
#[test]
fn a_sector_that_was_never_written_may_hold_the_zeros_of_the_next_record() {
    for zeros in 0..=4 {
        let dir = filled(1);
        let (mut store, ..) = start(dir.path()).unwrap();
        let before = 1024 - zeros - 16 - (RECORD - 100);
        store.append(Zxid(2), &record(2, before)).unwrap();
        store.append(Zxid(3), &record(3, 100)).unwrap();
        store.sync().unwrap();
        let path = file(&dir, "log.2");
        let mut bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[1024 - zeros..][..4], [0; 4]);
        bytes[512..1024].fill(0);
        fs::write(&path, bytes).unwrap();
        drop(store);
        let (_, model, found) = start(dir.path()).unwrap();
        assert_eq!(model.applied, [1], "{:?}", found.notes);
        assert_eq!(kept(&dir).len(), 1);
    }
}

#[test]
fn damage_in_an_older_log_counts_only_when_something_is_missing() {
    let dir = filled(3);
    let path = file(&dir, "log.1");
    let (mut store, ..) = start(dir.path()).unwrap();
    store.append(Zxid(4), &record(4, 9)).unwrap();
    store.close().unwrap();
    // a torn record that the next server wrote anew
    let mut bytes = fs::read(&path).unwrap();
    let end = 16 + 3 * RECORD;
    bytes[end..end + 30].fill(9);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(start(dir.path()).unwrap().1.applied, [1, 2, 3, 4]);
    // one that the next log does not have
    bytes[end - 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = start(dir.path()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::DamagedLog {
            last_good: Zxid(2),
            ..
        }
    ));
    assert_eq!(cut::give_up(&RealDisk, &path).unwrap().copies.len(), 2);
    assert_eq!(start(dir.path()).unwrap().1.applied, [1, 2]);
}

/// Java's servers leave a torn record at the end of a log and go on in the next one, of a new epoch; a
/// record that was whole and has changed since is another matter, whichever of its bits it was.
#[test]
fn a_changed_bit_at_the_end_of_an_older_log_is_no_torn_end() {
    let dir = filled(3);
    let path = file(&dir, "log.1");
    let (mut store, ..) = start(dir.path()).unwrap();
    let next = 1 << 32 | 1;
    store.append(Zxid(next), &record(next, 9)).unwrap();
    store.close().unwrap();
    let sound = fs::read(&path).unwrap();
    let (begin, end) = (16 + 2 * RECORD, 16 + 3 * RECORD);
    assert!(sound[end..].iter().all(|&byte| byte == 0));
    let starts = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        start(dir.path()).map(|(_, model, _)| model.applied)
    };
    assert_eq!(starts(&sound).unwrap(), [1, 2, 3, next]);
    for at in (0..16).chain(begin..end).filter(|at| !(4..16).contains(at)) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        let error = starts(&bytes).unwrap_err();
        assert!(
            matches!(error, StoreError::DamagedLog { .. }),
            "{at}: {error}"
        );
    }
    for torn in begin + 1..end {
        let mut bytes = sound.clone();
        bytes[torn..].fill(0);
        assert_eq!(starts(&bytes).unwrap(), [1, 2, next], "{torn}");
        bytes.truncate(torn);
        assert_eq!(starts(&bytes).unwrap(), [1, 2, next], "{torn}");
    }
}

/// Java replays what is left, and serves a tree that nobody ever had.
#[test]
fn a_log_that_is_missing_between_two_stops_the_start() {
    let dir = filled(3);
    let (mut store, ..) = start(dir.path()).unwrap();
    for (zxid, ends) in [(4, true), (5, true), (1 << 32 | 1, false)] {
        store.append(Zxid(zxid), &record(zxid, 9)).unwrap();
        if ends {
            store.roll().unwrap();
        }
    }
    store.close().unwrap();
    drop(store);
    assert_eq!(start(dir.path()).unwrap().1.zxid, 1 << 32 | 1);
    fs::rename(file(&dir, "log.4"), dir.path().join("log.4")).unwrap();
    let error = start(dir.path()).unwrap_err();
    let (last, next) = (Zxid(3), Zxid(5));
    assert!(
        matches!(&error, StoreError::Hole { last: l, next: n, path, .. }
            if (*l, *n) == (last, next) && path.ends_with("log.5")),
        "{error}"
    );
    fs::rename(dir.path().join("log.4"), file(&dir, "log.4")).unwrap();
    assert_eq!(start(dir.path()).unwrap().1.zxid, 1 << 32 | 1);
}

#[test]
fn a_broken_snapshot_is_passed_over_when_the_log_makes_up_for_it() {
    let dir = filled(5);
    let (store, ..) = start(dir.path()).unwrap();
    store.snapshots().write(&Model::at(4, 1000)).unwrap();
    let path = file(&dir, "snapshot.4");
    let bytes = fs::read(&path).unwrap();
    for broken in [&bytes[..0], &bytes[..17], &bytes[..bytes.len() - 1]] {
        fs::write(&path, broken).unwrap();
        let (_, model, found) = start(dir.path()).unwrap();
        assert_eq!(model.applied, [1, 2, 3, 4, 5]);
        assert!(found.notes[0].contains("snapshot.4"), "{:?}", found.notes);
    }
    // one that the log does not lead up to is no trifle
    fs::rename(&path, file(&dir, "snapshot.9")).unwrap();
    let error = start(dir.path()).unwrap_err().to_string();
    assert!(error.contains("snapshot.9"), "{error}");
}

#[test]
fn every_flipped_byte_of_a_snapshot_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = start(dir.path()).unwrap();
    let path = store.snapshots().write(&Model::at(4, 3)).unwrap().path;
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        fs::write(&path, bad).unwrap();
        assert!(snapshot::verify(&RealDisk, &path).is_err(), "byte {at}");
    }
}

#[test]
fn snapshots_read_back_in_every_compression() {
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        for (digest, trailer) in [(true, true), (true, false), (false, true)] {
            let dir = tempfile::tempdir().unwrap();
            let disk = Arc::new(RealDisk);
            let snapshots = Snapshots::new(disk, dir.path().into(), compression, trailer);
            let mut model = Model::at(0x1f, 100_000);
            if !digest {
                model.digest = None;
            }
            let path = snapshots.write(&model).unwrap().path;
            assert!(snapshot::looks_whole(&RealDisk, &path).unwrap());
            let mut back = Model::default();
            let loaded = snapshot::load(&RealDisk, &path, &mut back).unwrap();
            assert_eq!(back.with(&loaded), model);
            let last = loaded.trailer.last_processed;
            assert_eq!(last, (trailer && digest).then_some(Zxid(0x1f)));
        }
    }
}

#[test]
fn logs_without_a_snapshot_are_not_trusted() {
    let dir = filled(2);
    fs::remove_file(file(&dir, "snapshot.0")).unwrap();
    let error = start(dir.path()).unwrap_err().to_string();
    assert!(error.contains("No snapshot found, but there are log entries"));
    let mut config = config(dir.path());
    config.trust_empty_snapshot = true;
    let mut store = Store::open(Arc::new(RealDisk), config).unwrap();
    let mut model = Model::default();
    assert_eq!(store.recover(&mut model).unwrap().zxid, Zxid(2));
}

#[test]
fn an_empty_folder_counts_only_with_initialize_or_autocreate() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.db_autocreate = false;
    let mut store = Store::open(Arc::new(RealDisk), config).unwrap();
    let zxid = store.recover(&mut Model::default()).unwrap().zxid;
    assert_eq!(zxid, Zxid(-1));
    fs::write(dir.path().join("initialize"), "").unwrap();
    let zxid = store.recover(&mut Model::default()).unwrap().zxid;
    assert_eq!(zxid, Zxid(0));
    assert!(!dir.path().join("initialize").exists());
    // Where the two folders differ, the script leaves it in the one of the snapshots.
    let (dir, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = self::config(dir.path());
    config.log_dir = logs.path().to_owned();
    config.db_autocreate = false;
    let mut store = Store::open(Arc::new(RealDisk), config).unwrap();
    fs::write(dir.path().join("initialize"), "").unwrap();
    let zxid = store.recover(&mut Model::default()).unwrap().zxid;
    assert_eq!(zxid, Zxid(0));
}

#[test]
fn swapped_folders_are_refused_and_missing_ones_made_only_on_request() {
    let dir = filled(2);
    let logs = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.log_dir = logs.path().join("new");
    let open = |config: &StoreConfig| Store::open(Arc::new(RealDisk), config.clone());
    let error = open(&config).unwrap_err().to_string();
    assert!(
        error.contains("Snapshot directory has log files"),
        "{error}"
    );
    config.data_dir = logs.path().join("data");
    config.datadir_autocreate = false;
    let error = open(&config).unwrap_err().to_string();
    assert!(error.contains("datadir.autocreate"), "{error}");
}

#[test]
fn a_purge_keeps_what_the_kept_snapshots_need() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, ..) = start(dir.path()).unwrap();
    for zxid in 1..=12 {
        store.append(Zxid(zxid), &record(zxid, 9)).unwrap();
        store.sync().unwrap();
        if zxid % 2 == 0 {
            store.snapshots().write(&Model::at(zxid, 1)).unwrap();
            store.roll().unwrap();
        }
    }
    // the newest is broken: it does not count
    fs::write(file(&dir, "snapshot.c"), b"ZKSN").unwrap();
    let mut removed: Vec<_> = store
        .purge(1, &mut |_| {})
        .unwrap()
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    removed.sort();
    assert_eq!(
        removed,
        ["log.1", "log.3", "snapshot.0", "snapshot.2", "snapshot.4"]
    );
    fs::remove_file(file(&dir, "snapshot.a")).unwrap();
    fs::remove_file(file(&dir, "snapshot.8")).unwrap();
    assert_eq!(start(dir.path()).unwrap().1.zxid, 12);
}

#[test]
fn truncate_cuts_exactly_and_takes_newer_snapshots_along() {
    let dir = filled(3);
    let (mut store, ..) = start(dir.path()).unwrap();
    for zxid in 4..=9 {
        store.append(Zxid(zxid), &record(zxid, 9)).unwrap();
        store.sync().unwrap();
        if zxid == 6 {
            store.snapshots().write(&Model::at(6, 1)).unwrap();
            store.roll().unwrap();
        }
    }
    store.truncate(Zxid(10)).unwrap();
    assert_eq!(start(dir.path()).unwrap().1.applied, [7, 8, 9]);
    store.truncate(Zxid(5)).unwrap();
    let (mut store, model, _) = start(dir.path()).unwrap();
    assert_eq!(model.applied, [1, 2, 3, 4, 5]);
    assert!(!file(&dir, "snapshot.6").exists() && !file(&dir, "log.7").exists());
    store
        .append(Zxid(0x1_0000_0001), &record(0x1_0000_0001, 9))
        .unwrap();
    store.sync().unwrap();
    assert_eq!(start(dir.path()).unwrap().1.applied.len(), 6);
}

#[test]
fn folders_are_made_with_their_parents() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    start(&deep).unwrap();
    assert!(deep.join("version-2/snapshot.0").exists());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    #[test]
    fn no_bytes_make_a_start_panic(
        log in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000),
        keep in 0usize..600,
        snapshot in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let dir = filled(3);
        let path = file(&dir, "log.1");
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(keep);
        bytes.extend(log);
        fs::write(&path, bytes).unwrap();
        let whole = keep.saturating_sub(16) / RECORD;
        match start(dir.path()) {
            Ok((_, model, _)) => assert!(model.applied.len() >= whole.min(3)),
            Err(e) => assert!(matches!(e, StoreError::DamagedLog { .. }), "{e}"),
        }
        let mut broken = b"ZKSN\0\0\0\x02".to_vec();
        broken.extend(snapshot);
        for suffix in ["", ".gz", ".snappy"] {
            let path = file(&dir, &format!("snapshot.2{suffix}"));
            fs::write(&path, &broken).unwrap();
            assert!(snapshot::verify(&RealDisk, &path).is_err());
        }
    }
}
