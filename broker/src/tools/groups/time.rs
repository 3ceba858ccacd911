//! Times as the flags of `kafka-consumer-groups` write them (Java: `Utils.getDateTime`,
//! `Duration.parse`). Pure.

use crate::tools::Failure;

/// Milliseconds since 1970 of `yyyy-MM-ddTHH:mm:ss.SSS`, with a zone (`Z`, `+02`, `+0200`,
/// `+02:00`) or in UTC.
pub(super) fn date_time(text: &str) -> Result<i64, Failure> {
    let unparseable = || Failure::new(format!("Unparseable date: \"{text}\""));
    let Some((date, time)) = text.split_once('T') else {
        return Err(Failure::new(
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
        ));
    };
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(at);
    let numbers = |text: &str, separator: char| -> Option<Vec<i64>> {
        text.split(separator)
            .map(|n| {
                let digits = !n.is_empty() && n.len() < 7 && n.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| n.parse().ok())?
            })
            .collect()
    };
    let date = numbers(date, '-').ok_or_else(unparseable)?;
    let (whole, fraction) = clock.split_once('.').ok_or_else(unparseable)?;
    let clock = numbers(whole, ':').ok_or_else(unparseable)?;
    let millis = numbers(fraction, '.').ok_or_else(unparseable)?;
    let offset = zone_offset(zone).ok_or_else(unparseable)?;
    let (&[year, month, day], &[hour, minute, second], &[millis]) =
        (&date[..], &clock[..], &millis[..])
    else {
        return Err(unparseable());
    };
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && millis < 1000;
    if !valid {
        return Err(unparseable());
    }
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second - offset;
    Ok(seconds * 1000 + millis)
}

/// Seconds east of Greenwich.
fn zone_offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = rest.replacen(':', "", 1);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Milliseconds of `PnDTnHnMn.nS`; each number may have a sign, and the whole too.
pub(super) fn duration(text: &str) -> Result<i64, Failure> {
    parse_duration(text)
        .ok_or_else(|| Failure::new("Text cannot be parsed to a Duration".to_owned()))
}

fn parse_duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    if !date.is_empty() {
        let days: i64 = date.strip_suffix('D')?.parse().ok()?;
        total = days.checked_mul(86_400_000)?;
    }
    let mut left = time;
    for (unit, size) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some((number, rest)) = left.split_once(unit) {
            let number: i64 = number.parse().ok()?;
            total = total.checked_add(number.checked_mul(size)?)?;
            left = rest;
        }
    }
    if !left.is_empty() {
        let number = left.strip_suffix('S')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let millis = if whole.starts_with('-') {
            -millis
        } else {
            millis
        };
        total = total.checked_add(seconds.checked_mul(1000)?.checked_add(millis)?)?;
    }
    total.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = |s: &str| date_time(s).ok();
        assert_eq!(at("1970-01-01T00:00:00.000"), Some(0));
        assert_eq!(at("2026-11-21T14:00:00.500Z"), Some(1_795_269_600_500));
        assert_eq!(at("2026-11-21T14:00:00.500+02:00"), Some(1_795_262_400_500));
        assert_eq!(at("2026-11-21T14:00:00.500-0130"), Some(1_795_275_000_500));
        assert_eq!(at("2024-02-29T00:00:00.000+01"), Some(1_709_161_200_000));
        for bad in [
            "2026-02-29T00:00:00.000",
            "2026-11-21",
            "2026-11-21T14:00:00",
            "2026-11-21T24:00:00.000",
            "T",
            "2026-11-21T14:00:00.500+é9",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations() {
        let ms = |s: &str| duration(s).ok();
        assert_eq!(ms("PT0S"), Some(0));
        assert_eq!(ms("P1DT2H3M4.5S"), Some(93_784_500));
        assert_eq!(ms("-PT1M"), Some(-60_000));
        assert_eq!(ms("PT-1.5S"), Some(-1500));
        for bad in [
            "P",
            "PT",
            "1D",
            "P1H",
            "PT1D",
            "PT1.1234567890S",
            "P99999999999999999D",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }
}
