//! `zkCli.sh`: ZooKeeper's command line (Java: `ZooKeeperMain` and the package `cli`). Output,
//! messages and exit codes are those of Java's 3.9, so that scripts written for it go on working.
//!
//! | file | what it is |
//! | --- | --- |
//! | `shell` | arguments, prompt, history, redo, connect, quit |
//! | `input` | lines from a terminal, with editing and completion, or from a pipe |
//! | `words` | a line into words |
//! | `options` | the options of a command, as Apache Commons CLI reads them |
//! | `table` | every command: name, usage, options |
//! | `nodes`, `access`, `watching`, `quota`, `ensemble` | what the commands do |
//! | `tree` | walks over a subtree |
//! | `text` | Stats, dates, events, hex dumps, as Java prints them |
//! | `fail` | why a command failed, and its exit code |

#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads files that its user names"
)]

/// Prints to standard output; whoever reads it may be gone.
macro_rules! out {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, $($arg)*);
    }};
}

/// Prints to standard error.
macro_rules! err {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, $($arg)*);
    }};
}

mod access;
mod ensemble;
mod fail;
mod input;
mod nodes;
mod options;
mod quota;
mod shell;
mod table;
mod text;
mod tree;
mod watching;
mod words;

pub use shell::run;
