//! `zkCleanup.sh`: removes old snapshots and logs (Java: `PurgeTxnLog`).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use zk_server::store::purge::LEAST_RETAINED;
use zk_server::store::toolkit::txn_text::medium_date;
use zk_server::store::{RealDisk, Store, StoreConfig};

const USAGE: &str = "\
Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
\tdataLogDir -- path to the txn log directory
\tsnapDir -- path to the snapshot directory
\tcount -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (config, retain) = match read(&args) {
        Ok(asked) => asked,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            println!("{USAGE}");
            return ExitCode::from(1);
        }
    };
    let purged = Store::open(Arc::new(RealDisk), config).and_then(|store| {
        store.purge(retain, &mut |file| {
            let date = medium_date(file.modified_ms);
            println!("Removing file: {date}\t{}", file.path.display());
        })
    });
    match purged {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(1)
        }
    }
}

/// The folders and how many snapshots to keep. The error is Java's message, empty for none.
fn read(args: &[String]) -> Result<(StoreConfig, usize), String> {
    let (log_dir, snap_dir, flag, count) = match args {
        [dir, flag, count] => (dir, dir, flag, count),
        [log_dir, snap_dir, flag, count] => (log_dir, snap_dir, flag, count),
        _ => return Err(String::new()),
    };
    for dir in [log_dir, snap_dir] {
        if !Path::new(dir).exists() {
            let shown = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
            return Err(format!("Path '{}' does not exist. ", shown.display()));
        }
    }
    let retain: i32 = count
        .parse()
        .map_err(|_| format!("'{count}' can not be parsed to integer."))?;
    let retain = usize::try_from(retain)
        .ok()
        .filter(|n| *n >= LEAST_RETAINED)
        .ok_or("count should be greater than or equal to 3")?;
    if flag != "-n" {
        return Err(String::new());
    }
    let config = StoreConfig {
        log_dir: log_dir.into(),
        ..StoreConfig::new(snap_dir)
    };
    Ok((config, retain))
}
