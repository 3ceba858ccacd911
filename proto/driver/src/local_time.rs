//! Local time for log lines and dumps, as Java prints it. The system's time zone is read once;
//! without one it is UTC. No C library call: those are not safe beside threads that change the
//! environment.

use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub millis: u16,
    /// 0 is Sunday
    pub weekday: u8,
    pub zone: String,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl LocalTime {
    /// `millis` since 1970, in the system's time zone.
    pub fn at(millis: i64) -> Self {
        static ZONE: OnceLock<TimeZone> = OnceLock::new();
        Self::within(
            ZONE.get_or_init(|| TimeZone::try_system().unwrap_or(TimeZone::UTC)),
            millis,
        )
    }

    fn within(zone: &TimeZone, millis: i64) -> Self {
        let (least, most) = (Timestamp::MIN, Timestamp::MAX);
        let millis = millis.clamp(least.as_millisecond(), most.as_millisecond());
        let moment = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        let info = zone.to_offset_info(moment);
        let local = info.offset().to_datetime(moment);
        let small = |value: i8| u8::try_from(value).unwrap_or_default();
        Self {
            year: local.year().into(),
            month: small(local.month()),
            day: small(local.day()),
            hour: small(local.hour()),
            minute: small(local.minute()),
            second: small(local.second()),
            millis: u16::try_from(local.millisecond()).unwrap_or_default(),
            weekday: small(local.weekday().to_sunday_zero_offset()),
            zone: zone_name(info.abbreviation(), info.offset().seconds()),
        }
    }

    /// `Sat Nov 21 13:08:35 UTC 2026`, as `java.util.Date` prints itself.
    pub fn java_date(&self) -> impl fmt::Display + '_ {
        JavaDate(self)
    }
}

/// Where tzdata knows no name Java shows the offset.
fn zone_name(abbreviation: &str, offset_s: i32) -> String {
    if !abbreviation.starts_with(['+', '-']) {
        return abbreviation.to_owned();
    }
    let minutes = offset_s.unsigned_abs() / 60;
    let sign = if offset_s < 0 { '-' } else { '+' };
    format!("GMT{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `2026-11-21 13:08:14,681`, the pattern `ISO8601` of Java's logging.
impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}",
            self.year, self.month, self.day, self.hour, self.minute, self.second, self.millis
        )
    }
}

struct JavaDate<'a>(&'a LocalTime);

impl fmt::Display for JavaDate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        let day = DAYS[usize::from(t.weekday) % 7];
        let month = MONTHS[usize::from(t.month.saturating_sub(1)) % 12];
        write!(
            f,
            "{day} {month} {:02} {:02}:{:02}:{:02} {} {}",
            t.day, t.hour, t.minute, t.second, t.zone, t.year
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &TimeZone, millis: i64) -> LocalTime {
        LocalTime::within(zone, millis)
    }

    #[test]
    fn log_lines_read_as_javas() {
        let utc = TimeZone::UTC;
        assert_eq!(at(&utc, 0).to_string(), "1970-01-01 00:00:00,000");
        let later = at(&utc, 1_795_266_494_247);
        assert_eq!(later.to_string(), "2026-11-21 13:08:14,247");
        assert_eq!(at(&utc, -1).to_string(), "1969-12-31 23:59:59,999");
        for far in [i64::MIN, i64::MAX] {
            assert_eq!(at(&utc, far).zone, "UTC");
        }
    }

    #[test]
    fn dates_read_as_javas() {
        let date = |zone: &TimeZone, millis| at(zone, millis).java_date().to_string();
        assert_eq!(date(&TimeZone::UTC, 0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(
            date(&TimeZone::UTC, 1_709_164_800_000),
            "Thu Feb 29 00:00:00 UTC 2024"
        );
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(
            date(&berlin, 1_795_266_384_000),
            "Sat Nov 21 14:06:24 CET 2026"
        );
        assert_eq!(
            date(&berlin, 1_780_000_000_000),
            "Thu May 28 22:26:40 CEST 2026"
        );
        let brazil = TimeZone::posix("<-03>3").unwrap();
        assert_eq!(date(&brazil, 0), "Wed Dec 31 21:00:00 GMT-03:00 1969");
    }
}
