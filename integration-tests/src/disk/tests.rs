//! What the simulated disk keeps, loses and counts.

use super::*;

const FILE: &str = "/data/file";

fn file(disk: &SimDisk) -> Box<dyn DiskFile> {
    let mut file = disk.create(Path::new(FILE)).unwrap();
    file.allocate(2048).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    file
}

fn bytes(disk: &SimDisk) -> Vec<u8> {
    disk.contents().remove(0).1
}

/// Two writes to one sector: the second never comes to the medium without the first; and one to
/// another sector may.
#[test]
fn a_sector_that_is_kept_has_all_that_was_written_to_it() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = SimDisk::new(seed);
        let mut file = file(&disk);
        file.write_at(b"one", 0).unwrap();
        file.write_at(b"two", 3).unwrap();
        file.write_at(b"far", 1024).unwrap();
        disk.cut_power();
        disk.power_cycle();
        let bytes = bytes(&disk);
        seen.insert((bytes[..6].to_vec(), bytes[1024..1027].to_vec()));
    }
    let firsts: BTreeSet<&[u8]> = seen.iter().map(|(first, _)| &first[..]).collect();
    assert_eq!(
        firsts,
        BTreeSet::from([&[0; 6][..], b"one\0\0\0", b"onetwo"])
    );
    assert!(seen.contains(&(vec![0; 6], b"far".to_vec())), "other order");
}

/// What a failed sync has not brought to the medium gets there with its sector, or never.
#[test]
fn what_the_device_has_refused_stays_in_memory() {
    for (again, kept) in [(1000, b"\0\0\0"), (3, b"one")] {
        let disk = SimDisk::new(1);
        let mut file = file(&disk);
        file.write_at(b"one", 0).unwrap();
        disk.fail_syncs(1);
        file.sync().unwrap_err();
        assert_eq!(&bytes(&disk)[..3], b"one");
        assert_eq!(disk.not_durable(), Some(PathBuf::from(FILE)));
        file.write_at(b"two", again).unwrap();
        file.sync().unwrap();
        disk.cut_power();
        disk.power_cycle();
        assert_eq!(&bytes(&disk)[..3], kept);
    }
}

#[test]
fn what_it_does_is_counted() {
    let mut deeds = BTreeMap::new();
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        if seed % 2 == 0 {
            disk.fail_power_after(1 + seed / 2 % 9);
        } else {
            disk.fail_process_after(1 + seed / 2 % 9);
        }
        let _ = use_it(&disk);
        disk.power_cycle();
        if let Some((path, len)) = disk.files().first() {
            disk.flip_bit(path, len / 2, 0);
        }
        disk.set_capacity(Some(0));
        let mut file = disk.create(Path::new("/data/late")).unwrap();
        file.write_at(b"no room", 0).unwrap_err();
        disk.fail_syncs(1);
        file.sync().unwrap_err();
        deeds.extend(disk.deeds());
    }
    let all: BTreeSet<&str> = DEEDS.iter().copied().collect();
    let done: BTreeSet<&str> = deeds.into_keys().collect();
    assert_eq!(done, all);
}

/// Every kind of operation.
fn use_it(disk: &SimDisk) -> io::Result<()> {
    let (one, two) = (Path::new("/data/one"), Path::new("/data/two"));
    let mut file = disk.create(one)?;
    file.allocate(8192)?;
    file.write_at(&[7; 4096], 0)?;
    file.sync()?;
    disk.rename(one, two)?;
    disk.sync_dir(Path::new("/data"))?;
    file.write_at(&[8; 4096], 0)?;
    disk.create(one)?;
    disk.remove(two)
}
