//! The written record: each group of loads has a section of its own between two comments, which a
//! run replaces; what people wrote around the sections stays.

#![allow(clippy::disallowed_methods, reason = "reads and writes the record")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Puts `table` into the section `name` of the file.
pub fn write(file: &Path, name: &str, table: &str) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = replaced(&text, name, &format!("{}\n\n{table}", provenance()))
        .with_context(|| format!("{} has no section {name}", file.display()))?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn replaced(text: &str, name: &str, content: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {name}: begin -->\n"),
        format!("<!-- {name}: end -->"),
    );
    let from = text.find(&begin)? + begin.len();
    let to = from + text[from..].find(&end)?;
    Some(format!("{}{content}{}", &text[..from], &text[to..]))
}

/// When, where and by which command the figures came to be.
fn provenance() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let mut arguments = String::new();
    let mut all = std::env::args().skip(1);
    while let Some(argument) = all.next() {
        // What the script adds, each with its value.
        if matches!(&*argument, "--binaries" | "--record") {
            all.next();
        } else {
            let _ = write!(arguments, " {argument}");
        }
    }
    format!(
        "{}, {cores} cores of {model} ({}), Linux {}, load average at the end {}:\n\
         `scripts/bench.sh{arguments}`",
        date(seconds),
        std::env::consts::ARCH,
        kernel.trim(),
        load.join(" "),
    )
}

/// The day in the proleptic Gregorian calendar (UTC).
fn date(seconds: u64) -> String {
    // Days are counted from 1 March of year 0, so that leap days end years.
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_735_689_599), "2024-12-31");
    }

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let text = "head\n<!-- a: begin -->\nold\n<!-- a: end -->\ntail\n";
        let new = "head\n<!-- a: begin -->\nnew\n<!-- a: end -->\ntail\n";
        assert_eq!(replaced(text, "a", "new\n").as_deref(), Some(new));
        assert_eq!(replaced(text, "b", "new\n"), None);
    }
}
