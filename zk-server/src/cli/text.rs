//! Values as Java prints them: Stats and dates (`StatPrinter`, `Date.toString`), events
//! (`WatchedEvent.toString`), permissions (`ZKUtil.getPermString`), hex dumps (Netty's
//! `ByteBufUtil.prettyHexDump`).

use std::fmt::Write;

use driver::local_time::LocalTime;
use driver::zk_client::ZkEvent;
use proto::zk::acl::perms;
use proto::zk::stat::Stat;
use proto::zk::watch::EventType;

/// The lines of a Stat.
pub(super) fn stat(stat: &Stat) -> String {
    format!(
        "cZxid = 0x{:x}\nctime = {}\nmZxid = 0x{:x}\nmtime = {}\npZxid = 0x{:x}\ncversion = {}\n\
         dataVersion = {}\naclVersion = {}\nephemeralOwner = 0x{:x}\ndataLength = {}\n\
         numChildren = {}",
        stat.czxid,
        LocalTime::at(stat.ctime).java_date(),
        stat.mzxid,
        LocalTime::at(stat.mtime).java_date(),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}

fn event_name(event: EventType) -> &'static str {
    match event {
        EventType::NodeCreated => "NodeCreated",
        EventType::NodeDeleted => "NodeDeleted",
        EventType::NodeDataChanged => "NodeDataChanged",
        EventType::NodeChildrenChanged => "NodeChildrenChanged",
        EventType::DataWatchRemoved => "DataWatchRemoved",
        EventType::ChildWatchRemoved => "ChildWatchRemoved",
        EventType::PersistentWatchRemoved => "PersistentWatchRemoved",
    }
}

/// What a watcher prints, without the last line's end.
pub(super) fn event(event: &ZkEvent) -> String {
    let (state, kind, path, zxid) = match event {
        ZkEvent::State(state) => (state.java_name(), "None", "null", -1),
        ZkEvent::Watch(w) => (
            w.state.java_name(),
            event_name(w.event),
            w.path.as_str(),
            w.zxid,
        ),
    };
    format!("\nWATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{path} zxid: {zxid}")
}

/// `cdrwa`
pub(super) fn permissions(bits: i32) -> String {
    [
        (perms::CREATE, 'c'),
        (perms::DELETE, 'd'),
        (perms::READ, 'r'),
        (perms::WRITE, 'w'),
        (perms::ADMIN, 'a'),
    ]
    .into_iter()
    .filter_map(|(bit, letter)| (bits & bit != 0).then_some(letter))
    .collect()
}

/// Bytes as UTF-8, with U+FFFD for what is not.
pub(super) fn plain(data: Option<&[u8]>) -> String {
    String::from_utf8_lossy(data.unwrap_or(b"null")).into_owned()
}

/// Sixteen bytes a line, in hex and as text; nothing for no bytes.
pub(super) fn hex_dump(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    let rule = "+--------+-------------------------------------------------+----------------+";
    let mut text = format!(
        "         +-------------------------------------------------+\n         \
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n{rule}"
    );
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|b| format!(" {b:02x}")).collect();
        let shown = |&b: &u8| {
            if (0x20..0x7f).contains(&b) {
                char::from(b)
            } else {
                '.'
            }
        };
        let ascii: String = bytes.iter().map(shown).collect();
        // Writing to a string does not fail.
        let _ = write!(text, "\n|{:08x}|{hex:<48} |{ascii:<16}|", row * 16);
    }
    text.push('\n');
    text.push_str(rule);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_dumps_read_as_nettys() {
        assert_eq!(
            hex_dump(b"b"),
            "         +-------------------------------------------------+\n         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n+--------+-------------------------------------------------+----------------+\n|00000000| 62                                              |b               |\n+--------+-------------------------------------------------+----------------+"
        );
        assert_eq!(hex_dump(b""), "");
    }
}
