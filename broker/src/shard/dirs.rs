//! The log directories as a whole: their locks and their `meta.properties`. Mirrors Java's
//! `FileLock`, `BrokerMetadataCheckpoint` and the checks of `KafkaServer.startup`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use proto::properties::Properties;

use crate::log::file;

const META: &str = "meta.properties";

/// Why the logs cannot be opened, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("log.dirs: {0}")]
    Io(#[from] io::Error),
    #[error("log.dirs={dir} cannot be used: {error}: {}", remedy(.error))]
    Unusable { dir: String, error: io::Error },
    #[error(
        "Failed to acquire lock on file .lock in {dir}. A Kafka instance in another process{by} is using this directory: stop it, or give this broker log.dirs of its own."
    )]
    Locked { dir: String, by: String },
    #[error("{0}")]
    Meta(String),
    #[error("{0}")]
    Load(String),
}

/// What to do about a directory that cannot be used.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give the user that runs this broker the right to write there (chown -R USER DIR), or \
             name another folder"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way: name a folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or name another folder",
        io::ErrorKind::StorageFull => "make room there, or name another folder",
        _ => "name a folder that can be written to",
    }
}

/// What `meta.properties` says of a log directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetaProperties {
    pub cluster_id: Option<String>,
    pub broker_id: Option<i32>,
    /// keys that we have no use for are kept: `directory.id` and what a later version writes
    pub other: Vec<(String, String)>,
}

impl MetaProperties {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StartError> {
        let name = path.display().to_string();
        let properties =
            Properties::parse(&name, bytes).map_err(|e| StartError::Meta(e.to_string()))?;
        let mut meta = Self::default();
        for property in properties.iter() {
            let (key, value) = (property.key.as_str(), property.value.trim());
            match key {
                "cluster.id" => meta.cluster_id = Some(value.to_owned()),
                "broker.id" => {
                    let id = value.parse().map_err(|_| {
                        StartError::Meta(format!("{name}: broker.id={value} is no number"))
                    })?;
                    meta.broker_id = Some(id);
                }
                "version" if value != "0" => {
                    return Err(StartError::Meta(format!(
                        "Found unexpected version in {name}. ZK-based brokers that are not migrating only support version 0 (which is implicit when the `version` field is missing). This directory belongs to a broker in KRaft mode."
                    )));
                }
                "version" => {}
                _ => meta.other.push((key.to_owned(), value.to_owned())),
            }
        }
        Ok(meta)
    }

    fn text(&self) -> String {
        let mut lines = vec!["version=0".to_owned()];
        lines.extend(
            self.cluster_id
                .as_ref()
                .map(|id| format!("cluster.id={id}")),
        );
        lines.extend(self.broker_id.map(|id| format!("broker.id={id}")));
        lines.extend(
            self.other
                .iter()
                .map(|(key, value)| format!("{key}={value}")),
        );
        lines.sort();
        format!("#\n{}\n", lines.join("\n"))
    }
}

/// The directories of `log.dirs`, locked for this process.
#[derive(Debug)]
pub struct LogDirs {
    dirs: Vec<(PathBuf, MetaProperties)>,
    /// POSIX locks end with the process or when the file is closed
    _locks: Vec<File>,
}

impl LogDirs {
    /// Creates what is missing, locks all, and reads each `meta.properties`.
    pub fn open(paths: &[PathBuf]) -> Result<Self, StartError> {
        let (mut dirs, mut locks) = (Vec::new(), Vec::new());
        for path in paths {
            let unusable = |error: io::Error| StartError::Unusable {
                dir: path.display().to_string(),
                error,
            };
            file::create_dir(path).map_err(unusable)?;
            let path = path.canonicalize().map_err(unusable)?;
            if dirs.iter().any(|(other, _)| *other == path) {
                return Err(StartError::Meta(format!(
                    "Duplicate log directory found: {} (log.dirs)",
                    path.display()
                )));
            }
            locks.push(lock(&path).map_err(|error| match error {
                StartError::Io(error) => unusable(error),
                other => other,
            })?);
            let meta = match file::read_if_exists(&path.join(META))? {
                Some(bytes) => MetaProperties::parse(&path.join(META), &bytes)?,
                None => MetaProperties::default(),
            };
            dirs.push((path, meta));
        }
        Ok(Self {
            dirs,
            _locks: locks,
        })
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(|(path, _)| path.as_path())
    }

    /// The broker id that these directories belong to; they must agree.
    pub fn broker_id(&self) -> Result<Option<i32>, StartError> {
        self.agreed("broker.id", |meta| meta.broker_id)
    }

    /// The cluster that these directories belong to; they must agree.
    pub fn cluster_id(&self) -> Result<Option<String>, StartError> {
        self.agreed("cluster.id", |meta| meta.cluster_id.clone())
    }

    fn agreed<T: PartialEq + std::fmt::Display>(
        &self,
        key: &str,
        get: impl Fn(&MetaProperties) -> Option<T>,
    ) -> Result<Option<T>, StartError> {
        let mut found: Option<(T, &Path)> = None;
        for (path, meta) in &self.dirs {
            let Some(value) = get(meta) else { continue };
            if let Some((first, at)) = found.as_ref().filter(|(first, _)| *first != value) {
                return Err(StartError::Meta(format!(
                    "BrokerMetadata is not consistent across log.dirs. This could happen if multiple brokers shared a log directory (log.dirs) or partial data was manually copied from another broker. {} has {key}={first}, {} has {key}={value}",
                    at.join(META).display(),
                    path.join(META).display(),
                )));
            }
            found.get_or_insert((value, path));
        }
        Ok(found.map(|f| f.0))
    }

    /// Compares with the configured broker id (negative: none configured); returns the one to use,
    /// if known.
    pub fn check_broker_id(&self, configured: i32) -> Result<Option<i32>, StartError> {
        let stored = self.broker_id()?;
        match stored {
            Some(stored) if configured >= 0 && stored != configured => {
                Err(StartError::Meta(format!(
                    "Configured broker.id {configured} doesn't match stored broker.id {stored} in meta.properties. If you moved your data, make sure your configured broker.id matches. If you intend to create a new broker, you should remove all data in your data directories (log.dirs)."
                )))
            }
            Some(stored) => Ok(Some(stored)),
            None => Ok((configured >= 0).then_some(configured)),
        }
    }

    /// Compares with ZooKeeper's /cluster/id, created at that time (milliseconds since 1970).
    pub fn check_cluster_id(&self, cluster_id: &str, created_ms: i64) -> Result<(), StartError> {
        let Some(stored) = self.cluster_id()?.filter(|stored| stored != cluster_id) else {
            return Ok(());
        };
        let partitions = self.partition_count();
        let since = self
            .paths()
            .filter_map(|p| modified_ms(&p.join(META)))
            .min()
            .unwrap_or(i64::MAX);
        let newer = if created_ms >= since {
            format!(
                "The new side is ZooKeeper: its /cluster/id was made after this broker's meta.properties, which come with {partitions} partitions of data. Was ZooKeeper's data folder emptied, or does zookeeper.connect name another ensemble or chroot?"
            )
        } else {
            format!(
                "The new side are the log directories: their meta.properties are younger than ZooKeeper's /cluster/id and come with {partitions} partitions. Do log.dirs name another broker's folders?"
            )
        };
        Err(StartError::Meta(format!(
            "The Cluster ID {cluster_id} doesn't match stored clusterId Some({stored}) in meta.properties. The broker is trying to join the wrong cluster. Configured zookeeper.connect may be wrong. {newer}"
        )))
    }

    /// Partitions that lie in these directories.
    pub fn partition_count(&self) -> usize {
        let count = |p: &Path| {
            file::list(p, true).map_or(0, |names| {
                names.iter().filter(|n| parse_dir(n).is_some()).count()
            })
        };
        self.paths().map(count).sum()
    }

    /// Writes the ids where they are not stored yet.
    pub fn store(&mut self, cluster_id: &str, broker_id: i32) -> Result<(), StartError> {
        for (path, meta) in &mut self.dirs {
            if meta.cluster_id.as_deref() != Some(cluster_id) || meta.broker_id != Some(broker_id) {
                meta.cluster_id = Some(cluster_id.to_owned());
                meta.broker_id = Some(broker_id);
                file::write_atomically(&path.join(META), meta.text().as_bytes())?;
            }
        }
        Ok(())
    }
}

fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(
        modified
            .duration_since(std::time::UNIX_EPOCH)
            .ok()?
            .as_millis() as i64,
    )
}

/// Takes the lock that Java's `FileChannel.tryLock` takes, so that the two keep each other out.
fn lock(dir: &Path) -> Result<File, StartError> {
    let path = dir.join(".lock");
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)?;
    let whole = libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(&lock, FcntlArg::F_SETLK(&whole)) {
        Ok(_) => Ok(lock),
        Err(nix::errno::Errno::EACCES | nix::errno::Errno::EAGAIN) => {
            let mut holder = whole;
            let asked = fcntl(&lock, FcntlArg::F_GETLK(&mut holder));
            // a process of another namespace has no number here
            let known = asked.is_ok() && holder.l_pid > 0;
            Err(StartError::Locked {
                dir: dir.display().to_string(),
                by: if known {
                    format!(" (process {})", holder.l_pid)
                } else {
                    String::new()
                },
            })
        }
        Err(e) => Err(io::Error::from(e).into()),
    }
}

/// What a directory in a log directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DirKind {
    Partition(crate::log::TopicPartition),
    /// `-delete`: to be removed
    Deleted,
    /// `-future` and `-stray`: left alone
    Other,
}

/// Reads the name of a partition's directory; `None` if it is none.
pub(super) fn parse_dir(name: &str) -> Option<DirKind> {
    if name.ends_with("-delete") {
        return Some(DirKind::Deleted);
    }
    if name.ends_with("-future") || name.ends_with("-stray") {
        return Some(DirKind::Other);
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let partition = partition.parse().ok().filter(|p| *p >= 0)?;
    (!topic.is_empty()).then(|| {
        DirKind::Partition(crate::log::TopicPartition {
            topic: topic.to_owned(),
            partition,
        })
    })
}

/// The name under which a partition's directory waits for its removal; at most 255 bytes.
pub(super) fn delete_name(partition: &crate::log::TopicPartition) -> String {
    let suffix = format!(
        "-{}.{}-delete",
        partition.partition,
        uuid::Uuid::new_v4().simple()
    );
    let keep = partition.topic.len().min(255 - suffix.len());
    format!("{}{suffix}", &partition.topic[..keep])
}
