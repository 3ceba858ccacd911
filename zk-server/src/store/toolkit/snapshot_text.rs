//! A snapshot as text (Java: `SnapshotFormatter`, `SnapshotRecursiveSummary`).

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driver::local_time::LocalTime;

use super::tree::{Node, Tree};
use crate::units::Zxid;

/// `SnapshotFormatter` without and with `-d`.
pub fn details(tree: &Tree, zxid: Zxid, data: bool, out: &mut dyn Write) -> io::Result<()> {
    // Java keeps the root under two names.
    writeln!(out, "ZNode Details (count={}):", tree.len() + 1)?;
    let mut last = zxid.0;
    let mut open = vec![(tree.find("/").unwrap_or(0), String::new())];
    while let Some((index, path)) = open.pop() {
        let node = tree.node(index);
        let shown = if path.is_empty() { "/" } else { &path };
        writeln!(out, "----\n{shown}")?;
        stat(node, data, out)?;
        last = last.max(node.stat.mzxid).max(node.stat.pzxid);
        for child in node.children.iter().rev() {
            open.push((*child, format!("{path}/{}", tree.node(*child).name)));
        }
    }
    writeln!(out, "----\nSession Details (sid, timeout, ephemeralCount):")?;
    for (id, timeout) in tree.sessions() {
        writeln!(out, "{id:#016x}, {timeout}, {}", tree.ephemerals(*id))?;
    }
    writeln!(out, "----\nLast zxid: 0x{last:x}")
}

fn stat(node: &Node, data: bool, out: &mut dyn Write) -> io::Result<()> {
    let s = &node.stat;
    let date = |millis| LocalTime::at(millis).java_date().to_string();
    writeln!(out, "  cZxid = {:#016x}", s.czxid)?;
    writeln!(out, "  ctime = {}", date(s.ctime))?;
    writeln!(out, "  mZxid = {:#016x}", s.mzxid)?;
    writeln!(out, "  mtime = {}", date(s.mtime))?;
    writeln!(out, "  pZxid = {:#016x}", s.pzxid)?;
    writeln!(out, "  cversion = {}", s.cversion)?;
    writeln!(out, "  dataVersion = {}", s.version)?;
    writeln!(out, "  aclVersion = {}", s.aversion)?;
    writeln!(out, "  ephemeralOwner = {:#016x}", s.ephemeral_owner)?;
    if data {
        let text = STANDARD.encode(node.data.as_deref().unwrap_or_default());
        writeln!(out, "  data = {text}")
    } else {
        writeln!(out, "  dataLength = {}", node.data_len())
    }
}

/// `SnapshotFormatter -json`: the input of `ncdu`.
pub fn json(tree: &Tree, now_ms: i64, out: &mut dyn Write) -> io::Result<()> {
    enum Step {
        Open(usize),
        Close,
    }
    write!(
        out,
        "[1,0,{{\"progname\":\"SnapshotFormatter.java\",\"progver\":\"0.01\",\"timestamp\":{now_ms}}}"
    )?;
    let mut inode = 1000;
    let mut steps = vec![Step::Open(tree.find("/").unwrap_or(0))];
    while let Some(step) = steps.pop() {
        let Step::Open(index) = step else {
            write!(out, "]")?;
            continue;
        };
        let node = tree.node(index);
        inode += 1;
        let folder = if node.children.is_empty() { "" } else { "[" };
        let name = if node.name.is_empty() {
            "/"
        } else {
            &node.name
        };
        let size = node.data_len();
        write!(
            out,
            ",{folder}{{\"name\":\"{}\",\"asize\":{size},\"dsize\":{size},\"dev\":0,\"ino\":{inode}}}",
            json_text(name)
        )?;
        if !node.children.is_empty() {
            steps.push(Step::Close);
            steps.extend(node.children.iter().rev().map(|c| Step::Open(*c)));
        }
    }
    write!(out, "]")
}

/// Escapes as Jackson does.
fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// `SnapshotRecursiveSummary`: nodes and bytes below each inner node, down to a depth.
pub fn summary(
    tree: &Tree,
    start: usize,
    path: &str,
    max_depth: i32,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut open = vec![(start, path.to_owned(), 0)];
    while let Some((index, path, level)) = open.pop() {
        let node = tree.node(index);
        if node.children.is_empty() || max_depth != 0 && level > max_depth {
            continue;
        }
        let (count, bytes) = tree.sum(index);
        let tab = "--".repeat(level.max(0) as usize);
        writeln!(out, "{tab} {path}")?;
        writeln!(out, "{tab}   children: {}", count - 1)?;
        writeln!(out, "{tab}   data: {bytes}")?;
        let slash = if path == "/" { "" } else { "/" };
        for child in node.children.iter().rev() {
            let name = &tree.node(*child).name;
            open.push((*child, format!("{path}{slash}{name}"), level + 1));
        }
    }
    writeln!(out)
}
