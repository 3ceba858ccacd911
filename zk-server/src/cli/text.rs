//! Values as Java prints them: Stats and dates (`StatPrinter`, `Date.toString`), events
//! (`WatchedEvent.toString`), permissions (`ZKUtil.getPermString`), hex dumps (Netty's
//! `ByteBufUtil.prettyHexDump`).

use std::fmt::Write;

use driver::zk_client::ZkEvent;
use jiff::Timestamp;
use jiff::tz::TimeZone;
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
        date(stat.ctime, &TimeZone::system()),
        stat.mzxid,
        date(stat.mtime, &TimeZone::system()),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}

/// `Sat Nov 21 13:06:24 UTC 2026`
fn date(ms: i64, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_millisecond(ms) else {
        return format!("{ms} ms");
    };
    let info = zone.to_offset_info(time);
    let abbreviation = info.abbreviation();
    // Where tzdata knows no name Java shows the offset.
    let name = if abbreviation.starts_with(['+', '-']) {
        let seconds = info.offset().seconds();
        let minutes = seconds.unsigned_abs() / 60;
        let sign = if seconds < 0 { '-' } else { '+' };
        format!("GMT{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    } else {
        abbreviation.to_owned()
    };
    let local = time.to_zoned(zone.clone());
    format!(
        "{} {name} {}",
        local.strftime("%a %b %d %H:%M:%S"),
        local.year()
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
    fn dates_read_as_javas() {
        assert_eq!(date(0, &TimeZone::UTC), "Thu Jan 01 00:00:00 UTC 1970");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(
            date(1_795_266_384_000, &berlin),
            "Sat Nov 21 14:06:24 CET 2026"
        );
        assert_eq!(
            date(1_780_000_000_000, &berlin),
            "Thu May 28 22:26:40 CEST 2026"
        );
        let brazil = TimeZone::posix("<-03>3").unwrap();
        assert_eq!(date(0, &brazil), "Wed Dec 31 21:00:00 GMT-03:00 1969");
    }

    #[test]
    fn hex_dumps_read_as_nettys() {
        assert_eq!(
            hex_dump(b"b"),
            "         +-------------------------------------------------+\n         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n+--------+-------------------------------------------------+----------------+\n|00000000| 62                                              |b               |\n+--------+-------------------------------------------------+----------------+"
        );
        assert_eq!(hex_dump(b""), "");
    }
}
