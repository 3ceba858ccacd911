//! Local time for log lines and dumps, from the system's time zone file (TZif, RFC 8536), read once.
//! Falls back to UTC. No C library call: those are not safe beside threads that change the
//! environment.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the time zone file, once, at start"
)]

use std::fmt;
use std::sync::OnceLock;

/// Offsets from UTC and when each begins.
#[derive(Debug, Default)]
struct Zone {
    /// seconds since 1970 from which an offset holds, and its index
    changes: Vec<(i64, usize)>,
    kinds: Vec<(i64, String)>,
}

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
        static ZONE: OnceLock<Zone> = OnceLock::new();
        ZONE.get_or_init(Zone::of_system).at(millis)
    }

    fn from_utc(millis: i64, offset: i64, zone: String) -> Self {
        let seconds = millis.div_euclid(1000) + offset;
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        // Days to civil date, by eras of 400 years that begin on 1 March.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let small = |value: i64| u8::try_from(value).unwrap_or_default();
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day),
            hour: small(of_day / 3600),
            minute: small(of_day / 60 % 60),
            second: small(of_day % 60),
            millis: u16::try_from(millis.rem_euclid(1000)).unwrap_or_default(),
            weekday: small((days + 4).rem_euclid(7)),
            zone,
        }
    }

    /// `Sat Nov 21 13:08:35 UTC 2026`, as `java.util.Date` prints itself.
    pub fn java_date(&self) -> impl fmt::Display + '_ {
        JavaDate(self)
    }
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

impl Zone {
    fn of_system() -> Self {
        let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
        let path = match named {
            Some(name) => format!("/usr/share/zoneinfo/{}", name.trim_start_matches(':')),
            None => "/etc/localtime".to_owned(),
        };
        let file = std::fs::read(path).ok();
        file.and_then(|bytes| Self::parse(&bytes))
            .unwrap_or_default()
    }

    fn at(&self, millis: i64) -> LocalTime {
        let seconds = millis.div_euclid(1000);
        let next = self.changes.partition_point(|(from, _)| *from <= seconds);
        let kind = match next.checked_sub(1) {
            Some(current) => self.changes[current].1,
            None => 0,
        };
        let (offset, name) = match self.kinds.get(kind) {
            Some((offset, name)) => (*offset, name.as_str()),
            None => (0, "UTC"),
        };
        LocalTime::from_utc(millis, offset, name.to_owned())
    }

    /// The 64-bit block of a TZif file, or the only block of a version 1 file.
    fn parse(file: &[u8]) -> Option<Self> {
        let version = *file.get(4)?;
        let first = Counts::read(file)?;
        if version < b'2' {
            return first.zone(file.get(44..)?, 4);
        }
        let second = file.get(44 + first.len(4)?..)?;
        Counts::read(second)?.zone(second.get(44..)?, 8)
    }
}

/// The six counts of a TZif header.
struct Counts {
    utc: usize,
    standard: usize,
    leap: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Counts {
    fn read(file: &[u8]) -> Option<Self> {
        if !file.starts_with(b"TZif") {
            return None;
        }
        let count = |at: usize| {
            let bytes = file.get(20 + 4 * at..24 + 4 * at)?;
            usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
        };
        Some(Self {
            utc: count(0)?,
            standard: count(1)?,
            leap: count(2)?,
            times: count(3)?,
            types: count(4)?,
            chars: count(5)?,
        })
    }

    fn len(&self, time_size: usize) -> Option<usize> {
        let times = self.times.checked_mul(time_size + 1)?;
        let leap = self.leap.checked_mul(time_size + 4)?;
        let types = self.types.checked_mul(6)?;
        [types, self.chars, leap, self.standard, self.utc]
            .into_iter()
            .try_fold(times, usize::checked_add)
    }

    fn zone(&self, data: &[u8], time_size: usize) -> Option<Zone> {
        let data = data.get(..self.len(time_size)?)?;
        let (times, rest) = data.split_at(self.times * time_size);
        let (indices, rest) = rest.split_at(self.times);
        let (types, rest) = rest.split_at(self.types * 6);
        let names = &rest[..self.chars];
        let signed = |bytes: &[u8]| {
            let negative = bytes[0] >= 0x80;
            let start = if negative { -1 } else { 0 };
            bytes.iter().fold(start, |n: i64, b| n << 8 | i64::from(*b))
        };
        let moments = times.chunks_exact(time_size).map(signed);
        let changes = moments.zip(indices.iter().map(|i| usize::from(*i)));
        let kinds = types.chunks_exact(6).map(|kind| {
            let name = names.get(usize::from(kind[5])..).unwrap_or_default();
            let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
            let name = String::from_utf8_lossy(&name[..end]).into_owned();
            (signed(&kind[..4]), name)
        });
        Some(Zone {
            changes: changes.collect(),
            kinds: kinds.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_taken_apart() {
        let utc = Zone::default();
        assert_eq!(utc.at(0).to_string(), "1970-01-01 00:00:00,000");
        assert_eq!(
            utc.at(1_795_266_494_247).to_string(),
            "2026-11-21 13:08:14,247"
        );
        assert_eq!(
            utc.at(1_709_164_800_000).java_date().to_string(),
            "Thu Feb 29 00:00:00 UTC 2024"
        );
        assert_eq!(utc.at(-1).to_string(), "1969-12-31 23:59:59,999");
    }

    #[test]
    fn a_zone_file_is_read() {
        let mut file = b"TZif2".to_vec();
        file.extend([0; 15]);
        file.extend([0; 24]);
        file.extend(b"TZif2");
        file.extend([0; 15]);
        for count in [0u32, 0, 0, 1, 2, 8] {
            file.extend(count.to_be_bytes());
        }
        file.extend(1_000_000i64.to_be_bytes());
        file.push(1);
        for (offset, name) in [(0i32, 0u8), (-3600, 4)] {
            file.extend(offset.to_be_bytes());
            file.extend([0, name]);
        }
        file.extend(b"UTC\0ABC\0");
        let zone = Zone::parse(&file).unwrap();
        assert_eq!(zone.at(0).zone, "UTC");
        let later = zone.at(1_000_000_000);
        assert_eq!((later.zone.as_str(), later.hour), ("ABC", 12));
        for cut in 0..file.len() {
            assert!(Zone::parse(&file[..cut]).is_none());
        }
    }
}
