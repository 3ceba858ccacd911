//! The small text files beside the segments: checkpoints of offsets per log directory, the clean
//! shutdown marker, `meta.properties` and `partition.metadata`. Byte-equal with Java's; each is
//! replaced as a whole (KAFKA-16541).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::file;

pub(crate) const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
pub(crate) const LOG_START: &str = "log-start-offset-checkpoint";
pub(crate) const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const PARTITION_METADATA: &str = "partition.metadata";

/// A partition, named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Version 0, the number of entries, one entry a line (Java: `CheckpointFile`).
pub(super) fn format_lines(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut out = format!("0\n{}\n", lines.len());
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Reads what `format_lines` wrote; an empty file has no entries.
pub(super) fn parse_lines<T>(
    bytes: &[u8],
    parse: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some("0") => {}
        Some(version) => return Err(format!("line 1: unknown version {version:?}, expected 0")),
    }
    let Some(count) = lines.next() else {
        return Ok(Vec::new());
    };
    let count: usize = count
        .parse()
        .map_err(|_| format!("line 2: {count:?} is no number of entries"))?;
    let mut entries = Vec::new();
    for (i, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        entries.push(
            parse(&fields).ok_or_else(|| format!("line {}: malformed entry {line:?}", i + 3))?,
        );
    }
    if entries.len() != count {
        return Err(format!(
            "line 2 announces {count} entries, but there are {}",
            entries.len()
        ));
    }
    Ok(entries)
}

/// Offsets of partitions, as one of the checkpoint files of a log directory has them.
pub(crate) type Offsets = BTreeMap<TopicPartition, i64>;

pub(crate) fn write_offsets(dir: &Path, name: &str, offsets: &Offsets) -> io::Result<()> {
    let lines = offsets
        .iter()
        .map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition));
    file::write_atomically(&dir.join(name), format_lines(lines).as_bytes())
}

/// Reads a checkpoint; the inner error says what is wrong with it.
pub(crate) fn read_offsets(dir: &Path, name: &str) -> io::Result<Result<Offsets, String>> {
    let Some(bytes) = file::read_if_exists(&dir.join(name))? else {
        return Ok(Ok(Offsets::new()));
    };
    let entries = parse_lines(&bytes, |fields| match fields {
        [topic, partition, offset] => {
            let partition = partition.parse().ok()?;
            Some((
                TopicPartition {
                    topic: (*topic).to_owned(),
                    partition,
                },
                offset.parse().ok()?,
            ))
        }
        _ => None,
    });
    Ok(entries.map(|e| e.into_iter().collect()))
}

/// Takes the clean shutdown marker away; true if there was one. It goes before anything is loaded,
/// so that a crash while loading is seen as one (KAFKA-10471).
pub(crate) fn take_clean_shutdown(dir: &Path) -> io::Result<bool> {
    let was = file::remove_if_exists(&dir.join(CLEAN_SHUTDOWN))?;
    if was {
        file::sync_dir(dir)?;
    }
    Ok(was)
}

pub(crate) fn write_clean_shutdown(dir: &Path, broker_epoch: i64) -> io::Result<()> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    file::write_atomically(&dir.join(CLEAN_SHUTDOWN), text.as_bytes())
}

/// The topic id in a partition's directory, in Kafka's base64 form.
pub(crate) fn read_partition_metadata(dir: &Path) -> io::Result<Result<Option<String>, String>> {
    let Some(bytes) = file::read_if_exists(&dir.join(PARTITION_METADATA))? else {
        return Ok(Ok(None));
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let field = |line: Option<&str>, name: &str| -> Option<String> {
        let (key, value) = line?.split_once(':')?;
        (key == name).then(|| value.trim().to_owned())
    };
    let version = field(lines.next(), "version").and_then(|v| v.parse::<i32>().ok());
    Ok(match (version, field(lines.next(), "topic_id")) {
        (Some(0..), Some(id)) if !id.is_empty() => Ok(Some(id)),
        _ => Err(format!(
            "{}: malformed, expected lines 'version: 0' and 'topic_id: ...'",
            dir.join(PARTITION_METADATA).display()
        )),
    })
}

pub(crate) fn write_partition_metadata(dir: &Path, topic_id: &str) -> io::Result<()> {
    file::write_atomically(
        &dir.join(PARTITION_METADATA),
        format!("version: 0\ntopic_id: {topic_id}").as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests damage files on purpose")]
    use super::*;

    #[test]
    fn offsets_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let offsets: Offsets = [("a", 0, 5), ("b.c", 12, 0)]
            .map(|(t, p, o)| {
                (
                    TopicPartition {
                        topic: t.into(),
                        partition: p,
                    },
                    o,
                )
            })
            .into();
        write_offsets(dir.path(), RECOVERY_POINT, &offsets).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join(RECOVERY_POINT)).unwrap(),
            "0\n2\na 0 5\nb.c 12 0\n"
        );
        assert_eq!(
            read_offsets(dir.path(), RECOVERY_POINT).unwrap(),
            Ok(offsets)
        );
        std::fs::write(dir.path().join(RECOVERY_POINT), "0\n2\na 0 5\n").unwrap();
        assert!(
            read_offsets(dir.path(), RECOVERY_POINT)
                .unwrap()
                .unwrap_err()
                .contains("announces 2 entries")
        );
    }

    #[test]
    fn partition_metadata_as_java_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        write_partition_metadata(dir.path(), "xtzWWN4bTjitpL3kfd9s5g").unwrap();
        let text = std::fs::read_to_string(dir.path().join("partition.metadata")).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: xtzWWN4bTjitpL3kfd9s5g");
        assert_eq!(
            read_partition_metadata(dir.path()).unwrap(),
            Ok(Some("xtzWWN4bTjitpL3kfd9s5g".into()))
        );
    }
}
