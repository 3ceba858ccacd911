//! The written record: each group of loads has a section of its own between two comments, which a
//! run replaces; what people wrote around the sections stays.

#![allow(clippy::disallowed_methods, reason = "reads and writes the record")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use driver::local_time::LocalTime;

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
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = LocalTime::at(now.map_or(0, |d| d.as_millis() as i64));
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
        "{}-{:02}-{:02}, {cores} cores of {model} ({}), Linux {}, load average at the end {}:\n\
         `scripts/bench.sh{arguments}`",
        now.year,
        now.month,
        now.day,
        std::env::consts::ARCH,
        kernel.trim(),
        load.join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let text = "head\n<!-- a: begin -->\nold\n<!-- a: end -->\ntail\n";
        let new = "head\n<!-- a: begin -->\nnew\n<!-- a: end -->\ntail\n";
        assert_eq!(replaced(text, "a", "new\n").as_deref(), Some(new));
        assert_eq!(replaced(text, "b", "new\n"), None);
    }
}
