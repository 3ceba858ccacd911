//! A transaction as text (Java: `TxnLogToolkit.printTxn` and the `toString` of jute records).

use std::fmt::Write;

use driver::local_time::LocalTime;
use proto::buf::ReadError;
use proto::zk::OpCode;
use proto::zk::acl::Acl;

use crate::store::record::{Body, LogRecord};

/// One line, or two where a record's own text ends one.
pub fn line(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    let record = LogRecord::read(bytes)?;
    let h = &record.header;
    let mut out = format!(
        "{} session 0x{:x} cxid 0x{:x} zxid 0x{:x} {} ",
        short_date(h.time),
        h.client_id,
        i64::from(h.cxid),
        h.zxid,
        op_name(h.op)
    )
    .into_bytes();
    body(&record.body, &mut out);
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    Ok(out)
}

/// Java's `DateFormat` with a short date and a long time, in English.
fn short_date(millis: i64) -> String {
    let t = LocalTime::at(millis);
    let (hour, half) = half_day(t.hour);
    format!(
        "{}/{}/{:02}, {hour}:{:02}:{:02} {half} {}",
        t.month,
        t.day,
        t.year.rem_euclid(100),
        t.minute,
        t.second,
        t.zone
    )
}

/// Java's default `DateFormat`, in English: `Nov 21, 2026, 1:12:54 PM`.
pub fn medium_date(millis: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let t = LocalTime::at(millis);
    let (hour, half) = half_day(t.hour);
    format!(
        "{} {}, {}, {hour}:{:02}:{:02} {half}",
        MONTHS[usize::from(t.month.max(1) - 1) % 12],
        t.day,
        t.year,
        t.minute,
        t.second
    )
}

fn half_day(hour: u8) -> (u8, &'static str) {
    let half = if hour < 12 { "AM" } else { "PM" };
    (if hour % 12 == 0 { 12 } else { hour % 12 }, half)
}

/// Java's `Request.op2String`.
pub fn op_name(op: i32) -> String {
    OpCode::from_code(op).map_or_else(|| format!("unknown {op}"), |op| op.java_name().to_owned())
}

fn body(body: &Body<'_>, out: &mut Vec<u8>) {
    match body {
        Body::Create(t) => {
            create(t.path, t.data, &t.acl, out);
            push(out, format_args!(",{},{}", t.ephemeral, t.parent_cversion));
        }
        Body::CreateV0(t) => {
            create(t.path, t.data, &t.acl, out);
            push(out, format_args!(",{},-1", t.ephemeral));
        }
        Body::CreateContainer(t) => {
            create(t.path, t.data, &t.acl, out);
            push(out, format_args!(",{}", t.parent_cversion));
        }
        Body::CreateTtl(t) => {
            create(t.path, t.data, &t.acl, out);
            push(out, format_args!(",{},{}", t.parent_cversion, t.ttl));
        }
        Body::SetData(t) => {
            push(out, format_args!("{},", t.path));
            text(t.data, out);
            push(out, format_args!(",{}", t.version));
        }
        Body::Multi(t) => {
            for (i, txn) in t.txns.iter().enumerate() {
                let between = if i == 0 { "" } else { ";" };
                push(out, format_args!("{between}{}:", op_name(txn.op)));
                text(txn.data, out);
            }
        }
        Body::CreateSession(t) => push(out, format_args!("{}\n", t.timeout)),
        Body::Error(t) => push(out, format_args!("{}\n", t.err)),
        Body::Delete(t) => push(out, format_args!("{}\n", quoted(t.path))),
        Body::SetAcl(t) => {
            let acl: Vec<_> = t
                .acl
                .iter()
                .map(|a| format!("s{{{}}}", acl_text(a)))
                .collect();
            let path = quoted(t.path);
            push(
                out,
                format_args!("{path},v{{{}}},{}\n", acl.join(","), t.version),
            );
        }
        Body::CloseSession(Some(t)) => {
            let paths: Vec<_> = t.paths_to_delete.iter().map(|p| quoted(p)).collect();
            push(out, format_args!("v{{{}}}\n", paths.join(",")));
        }
        Body::CloseSession(None) => {}
    }
}

fn create(path: &str, data: Option<&[u8]>, acl: &[Acl<'_>], out: &mut Vec<u8>) {
    push(out, format_args!("{path},"));
    text(data, out);
    // a Java list of records, each of which ends its own line
    let acl: Vec<_> = acl.iter().map(|a| format!("{}\n", acl_text(a))).collect();
    push(out, format_args!(",[{}]", acl.join(", ")));
}

fn acl_text(acl: &Acl<'_>) -> String {
    format!(
        "{},s{{{},{}}}",
        acl.perms,
        quoted(acl.id.scheme),
        quoted(acl.id.id)
    )
}

/// Data as Java shows it: taken for UTF-8, with replacement characters.
fn text(data: Option<&[u8]>, out: &mut Vec<u8>) {
    let data = String::from_utf8_lossy(data.unwrap_or_default());
    out.extend_from_slice(data.as_bytes());
}

/// A string of jute's text form: `'` before it, and what would end it escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.extend_from_slice(text.to_string().as_bytes());
}
