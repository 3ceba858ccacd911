//! `zkSnapShotToolkit.sh` and its sisters: prints a snapshot (Java: `SnapshotFormatter`), sums it up
//! (`recursive-summary`, Java: `SnapshotRecursiveSummary`), compares two (`comparer`, Java:
//! `SnapshotComparer`).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use zk_server::store::RealDisk;
use zk_server::store::toolkit::compare::{self, Comparison};
use zk_server::store::toolkit::snapshot_text::{details, json, summary};
use zk_server::store::toolkit::tree::Tree;

const USAGE: &str = "\
USAGE: SnapshotFormatter [-d|-json] snapshot_file
       -d dump the data for each znode
       -json dump znode info in json format";

const SUMMARY_USAGE: &str = "\
USAGE:


SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>


snapshot_file:    path to the zookeeper snapshot
starting_node:    the path in the zookeeper tree where the traversal should begin
max_depth:        defines the depth where the tool still writes to the output. 0 means there is no \
depth limit, every non-leaf node's stats will be displayed, 1 means it will only contain the \
starting node's and it's children's stats, 2 ads another level and so on. This ONLY affects the \
level of details displayed, NOT the calculation.";

/// Exit code and what to say.
struct Failure(u8, String);

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        // a reader such as head(1) has seen enough
        let broken = e.kind() == io::ErrorKind::BrokenPipe;
        Self(
            u8::from(!broken),
            if broken { String::new() } else { e.to_string() },
        )
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("recursive-summary") => run_summary(&args[1..]),
        Some("comparer") => run_compare(&args[1..]),
        _ => run_format(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, message)) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::from(code)
        }
    }
}

fn run_format(args: &[String]) -> Result<(), Failure> {
    let (mut data, mut as_json, mut used) = (false, false, 0);
    let mut file = None;
    if let ["-h" | "-help" | "--help"] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        println!("{USAGE}");
        return Ok(());
    }
    for arg in args {
        used += 1;
        match arg.as_str() {
            "-d" => data = true,
            "-json" => as_json = true,
            _ => {
                file = Some(arg);
                break;
            }
        }
    }
    let Some(file) = file.filter(|_| used == args.len()) else {
        return Err(Failure(2, USAGE.to_owned()));
    };
    check_file(file)?;
    if data && as_json {
        return Err(Failure(
            2,
            "Cannot specify both data dump (-d) and json mode (-json) in same call".to_owned(),
        ));
    }
    let (tree, loaded) = load(file)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if as_json {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        json(&tree, now.map_or(0, |d| d.as_millis() as i64), &mut out)?;
    } else {
        details(&tree, loaded, data, &mut out)?;
    }
    Ok(out.flush()?)
}

/// Java's `ZKUtil.validateFileInput`.
fn check_file(file: &str) -> Result<(), Failure> {
    let shown = std::path::absolute(file).map_or_else(|_| file.into(), |p| p.display().to_string());
    let problem = match (Path::new(file).metadata(), File::open(file)) {
        (Err(_), _) => format!("File '{shown}' does not exist."),
        (_, Err(_)) => format!("Read permission is denied on the file '{shown}'"),
        (Ok(meta), _) if meta.is_dir() => {
            format!("'{shown}' is a directory. it must be a file.")
        }
        _ => return Ok(()),
    };
    Err(Failure(2, problem))
}

fn load(file: &str) -> Result<(Tree, zk_server::units::Zxid), Failure> {
    let (tree, loaded) = Tree::load(&RealDisk, Path::new(file))
        .map_err(|why| Failure(1, format!("{file} is no whole snapshot: {why}")))?;
    if tree.is_empty() {
        return Err(Failure(1, format!("{file} holds no nodes")));
    }
    Ok((tree, loaded.zxid))
}

fn run_summary(args: &[String]) -> Result<(), Failure> {
    let usage = || Failure(2, SUMMARY_USAGE.to_owned());
    let [file, start, depth] = args else {
        return Err(usage());
    };
    let depth = depth.parse().map_err(|_| usage())?;
    let (tree, _) = load(file)?;
    let index = tree
        .find(start)
        .ok_or_else(|| Failure(1, format!("{file} has no node {start}")))?;
    let mut out = BufWriter::new(io::stdout().lock());
    summary(&tree, index, start, depth, &mut out)?;
    Ok(out.flush()?)
}

fn run_compare(args: &[String]) -> Result<(), Failure> {
    let asked = match Comparison::parse(args) {
        Ok(asked) => asked,
        Err(message) => {
            eprintln!("{message}");
            println!("{}", compare::HELP);
            return Err(Failure(2, String::new()));
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "Successfully parsed options!")?;
    let (left, _) = load(&asked.left)?;
    let (right, _) = load(&asked.right)?;
    compare::run(&asked, &left, &right, &mut io::stdin().lock(), &mut out)?;
    Ok(out.flush()?)
}
