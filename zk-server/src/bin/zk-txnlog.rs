//! `zkTxnLogToolkit.sh`: dumps, repairs or chops a transaction log (Java: `TxnLogToolkit`), and gives
//! up what a damaged one can no longer say (`--cut`, ours).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use proto::properties::decode_long;
use zk_server::store::toolkit::options::{Parsed, Spec, parse};
use zk_server::store::toolkit::txnlog::{Repair, ToolError, chop, dump};
use zk_server::store::{RealDisk, cut};

const fn spec(short: Option<char>, long: &'static str, takes_value: bool) -> Spec {
    Spec {
        short,
        long,
        takes_value,
    }
}

const SPECS: &[Spec] = &[
    spec(Some('c'), "chop", false),
    spec(None, "cut", false),
    spec(Some('d'), "dump", false),
    spec(Some('h'), "help", false),
    spec(Some('r'), "recover", false),
    spec(Some('v'), "verbose", false),
    spec(Some('y'), "yes", false),
    spec(Some('z'), "zxid", true),
];

const HELP: &str = "\
usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)
 -c,--chop         Chop mode. Chop txn file to a zxid.
    --cut          Cut mode. Give up the first damaged entry and all that follow it, in later log files too; keeps copies.
 -d,--dump         Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)
 -h,--help         Print help message
 -r,--recover      Recovery mode. Re-calculate CRC for broken entries.
 -v,--verbose      Be verbose in recovery mode: print all entries, not just fixed ones.
 -y,--yes          Non-interactive mode: repair all CRC errors without asking
 -z,--zxid <arg>   Used with chop. Zxid to which to chop.";

fn main() -> ExitCode {
    let parsed = match parse(SPECS, std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("{message}\n");
            println!("{HELP}");
            return ExitCode::from(1);
        }
    };
    if parsed.has("help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let Some(file) = parsed.arguments.first() else {
        println!("{HELP}");
        return ExitCode::from(1);
    };
    let result = match parsed.value("zxid").filter(|_| parsed.has("chop")) {
        Some(zxid) => run_chop(file, zxid),
        None if parsed.has("cut") => run_cut(file),
        None => run_dump(file, &parsed),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // a reader such as head(1) has seen enough
        Err(ToolError::Io(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(ToolError::Io(e)) => {
            eprintln!("{file}: {e}");
            ExitCode::from(1)
        }
        Err(ToolError::Exit(code, message)) => {
            eprintln!("{message}");
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
    }
}

fn open(file: &str) -> Result<BufReader<File>, ToolError> {
    match File::open(file) {
        Ok(file) => Ok(BufReader::with_capacity(1 << 20, file)),
        Err(_) => Err(ToolError::Exit(
            1,
            format!("File doesn't exist or not readable: {file}"),
        )),
    }
}

fn name(file: &str) -> &str {
    Path::new(file)
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or(file)
}

fn run_dump(file: &str, parsed: &Parsed) -> Result<(), ToolError> {
    let from = open(file)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if !parsed.has("recover") {
        let result = dump(name(file), from, None, &mut out);
        out.flush()?;
        return result.map(|_| ());
    }
    let fixed_file = format!("{file}.fixed");
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&fixed_file)
        .map_err(|_| {
            ToolError::Exit(
                1,
                format!("Recovery file {fixed_file} already exists or not writable"),
            )
        })?;
    let mut to = BufWriter::new(to);
    let repair = Repair {
        to: &mut to,
        force: parsed.has("yes"),
        verbose: parsed.has("verbose"),
        answers: &mut io::stdin().lock(),
    };
    let result = dump(name(file), from, Some(repair), &mut out);
    to.flush()?;
    to.get_ref().sync_all()?;
    if let Ok(fixed) = result {
        writeln!(
            out,
            "Recovery file {fixed_file} has been written with {fixed} fixed CRC error(s)"
        )?;
    }
    out.flush()?;
    result.map(|_| ())
}

fn run_chop(file: &str, zxid: &str) -> Result<(), ToolError> {
    let from = open(file)?;
    let zxid = decode_long(zxid)
        .ok_or_else(|| ToolError::Exit(1, format!("For input string: \"{zxid}\"")))?;
    let mut out = io::stdout().lock();
    let mut to = BufWriter::new(File::create(format!("{file}.chopped{zxid}"))?);
    let result = chop(from, &mut to, zxid, &mut out, &mut io::stderr().lock());
    to.flush()?;
    // Java tells of a failure on standard output, and its exit code does not.
    match result {
        Ok(true) => {}
        Ok(false) => writeln!(out, "Got exception: Failed to chop {}", name(file))?,
        Err(e) => writeln!(out, "Got exception: {e}")?,
    }
    Ok(())
}

fn run_cut(file: &str) -> Result<(), ToolError> {
    let done =
        cut::give_up(&RealDisk, Path::new(file)).map_err(|e| ToolError::Exit(1, e.to_string()))?;
    if done.copies.is_empty() {
        println!(
            "{file} is not damaged: {} transactions, nothing was cut.",
            done.kept_records
        );
        return Ok(());
    }
    match done.last_good {
        Some(zxid) => println!(
            "{file} keeps {} transactions, the last is 0x{:x}.",
            done.kept_records, zxid.0
        ),
        None => println!("{file} held no whole transaction."),
    }
    for copy in done.copies {
        println!("Kept for you: {}", copy.display());
    }
    Ok(())
}
