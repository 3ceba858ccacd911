//! Dumping, repairing and chopping a log file (Java: `TxnLogToolkit`, `LogChopper`).
//!
//! Reads what [`crate::store::reader`] refuses: records whose checksum is wrong are shown, and
//! written anew where asked.

use std::io::{self, BufRead, Read, Write};

use proto::jute::Jute;
use proto::zk::txn::TxnHeader;
use simd_adler32::adler32;

use super::txn_text;
use crate::store::reader::read_prefix;
use crate::store::txnlog::{END_MARK, FILE_HEADER_LEN, MAGIC, PREFIX_LEN};

/// What the tool ends with.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Java's message and exit code
    #[error("{1}")]
    Exit(i32, String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn failed(message: impl Into<String>) -> ToolError {
    ToolError::Exit(1, message.into())
}

/// Where repaired records go, and how.
pub struct Repair<'a> {
    pub to: &'a mut dyn Write,
    /// fix without asking
    pub force: bool,
    /// print all records
    pub verbose: bool,
    /// where answers come from
    pub answers: &'a mut dyn BufRead,
}

/// Records as they come from a stream, checked for nothing but their frame.
struct Records<R> {
    from: R,
    bytes: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// The next checksum; the record is in `bytes`. `None` where Java says "EOF reached".
    fn next(&mut self) -> Result<Option<u64>, ToolError> {
        let mut prefix = [0; PREFIX_LEN];
        if read_up_to(&mut self.from, &mut prefix)? < PREFIX_LEN {
            return Ok(None);
        }
        let (crc, len) = read_prefix(&prefix);
        let Ok(len) = u64::try_from(len) else {
            return Err(failed(format!("Unreasonable length = {len}")));
        };
        self.bytes.clear();
        (&mut self.from).take(len).read_to_end(&mut self.bytes)?;
        Ok((len > 0 && self.bytes.len() as u64 == len).then_some(crc))
    }

    fn end_mark(&mut self) -> Result<(), ToolError> {
        let mut mark = [0];
        if read_up_to(&mut self.from, &mut mark)? < 1 || mark[0] != END_MARK {
            return Err(failed("Last transaction was partial."));
        }
        Ok(())
    }
}

fn read_up_to(from: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buf.len() {
        match from.read(&mut buf[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

/// The header's line; its bytes when they are a log's.
fn file_header(
    from: &mut impl Read,
    out: &mut dyn Write,
) -> Result<Option<[u8; FILE_HEADER_LEN]>, ToolError> {
    let mut header = [0; FILE_HEADER_LEN];
    if read_up_to(from, &mut header)? < FILE_HEADER_LEN {
        return Err(failed("the file ends within its header"));
    }
    if &header[..4] != MAGIC {
        return Ok(None);
    }
    let mut version = [0; 4];
    let mut dbid = [0; 8];
    version.copy_from_slice(&header[4..8]);
    dbid.copy_from_slice(&header[8..]);
    writeln!(
        out,
        "ZooKeeper Transactional Log File with dbid {} txnlog format version {}",
        i64::from_be_bytes(dbid),
        i32::from_be_bytes(version)
    )?;
    Ok(Some(header))
}

/// Prints every record, and repairs where asked. Returns how many checksums it set right.
pub fn dump(
    name: &str,
    mut from: impl Read,
    mut repair: Option<Repair<'_>>,
    out: &mut dyn Write,
) -> Result<u64, ToolError> {
    let Some(header) = file_header(&mut from, out)? else {
        return Err(ToolError::Exit(
            2,
            format!("Invalid magic number for {name}"),
        ));
    };
    if let Some(repair) = &mut repair {
        repair.to.write_all(&header)?;
    }
    let mut records = Records {
        from,
        bytes: Vec::new(),
    };
    let (mut count, mut fixed) = (0, 0);
    while let Some(mut crc) = records.next()? {
        let actual = u64::from(adler32(&records.bytes.as_slice()));
        if crc != actual && wants_fix(&records.bytes, repair.as_mut(), out)? {
            crc = actual;
            fixed += 1;
        }
        if repair.as_ref().is_none_or(|r| r.verbose) {
            print(&records.bytes, "", out)?;
        }
        records.end_mark()?;
        if let Some(repair) = &mut repair {
            write_record(repair.to, crc, &records.bytes)?;
        }
        count += 1;
    }
    writeln!(out, "EOF reached after {count} txns.")?;
    Ok(fixed)
}

/// Shows a record whose checksum is wrong, and finds out what to do about it.
fn wants_fix(
    bytes: &[u8],
    repair: Option<&mut Repair<'_>>,
    out: &mut dyn Write,
) -> Result<bool, ToolError> {
    let Some(repair) = repair else {
        print(bytes, "CRC ERROR - ", out)?;
        return Ok(false);
    };
    if repair.force {
        print(bytes, "CRC FIXED - ", out)?;
        return Ok(true);
    }
    print(bytes, "CRC ERROR - ", out)?;
    loop {
        write!(out, "Would you like to fix it (Yes/No/Abort) ? ")?;
        out.flush()?;
        let mut line = String::new();
        if repair.answers.read_line(&mut line)? == 0 {
            return Err(failed("Recovery aborted: no answer came."));
        }
        match line
            .trim_start()
            .chars()
            .next()
            .map(|c| c.to_ascii_uppercase())
        {
            Some('Y') => return Ok(true),
            Some('N') => return Ok(false),
            Some('A') => return Err(ToolError::Exit(0, "Recovery aborted.".to_owned())),
            _ => {}
        }
    }
}

fn print(bytes: &[u8], prefix: &str, out: &mut dyn Write) -> Result<(), ToolError> {
    let line =
        txn_text::line(bytes).map_err(|e| failed(format!("a transaction cannot be read: {e}")))?;
    out.write_all(prefix.as_bytes())?;
    out.write_all(&line)?;
    Ok(())
}

fn write_record(to: &mut dyn Write, crc: u64, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&crc.to_be_bytes())?;
    to.write_all(&(bytes.len() as u32).to_be_bytes())?;
    to.write_all(bytes)?;
    to.write_all(&[END_MARK])
}

/// Copies records up to and including `zxid`. False when there was nothing to chop off.
pub fn chop(
    mut from: impl Read,
    to: &mut dyn Write,
    zxid: i64,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<bool, ToolError> {
    let Some(header) = file_header(&mut from, out)? else {
        writeln!(err, "Invalid magic number in txn log file")?;
        return Ok(false);
    };
    to.write_all(&header)?;
    let mut records = Records {
        from,
        bytes: Vec::new(),
    };
    let (mut count, mut found, mut previous) = (0, false, -1);
    while let Some(crc) = records.next()? {
        let actual = u64::from(adler32(&records.bytes.as_slice()));
        if crc != actual {
            return Err(failed(format!("CRC doesn't match {crc} vs {actual}")));
        }
        let at = TxnHeader::from_bytes(&records.bytes)
            .map_err(|e| failed(e.to_string()))?
            .zxid;
        if let Err(e) = records.end_mark() {
            writeln!(out, "Last transaction was partial.")?;
            return Err(e);
        }
        found |= at == zxid;
        print_gap(previous, at, out)?;
        previous = at;
        if at > zxid {
            if count == 0 || !found {
                writeln!(out, "This log does not contain zxid {zxid:x}")?;
                return Ok(false);
            }
            writeln!(out, "Chopping at {zxid:x} new log has {count} records")?;
            return Ok(true);
        }
        write_record(to, crc, &records.bytes)?;
        count += 1;
    }
    writeln!(out, "EOF reached after {count} txns.")?;
    Ok(false)
}

fn print_gap(previous: i64, at: i64, out: &mut dyn Write) -> io::Result<()> {
    if previous == -1 || at == previous + 1 {
        return Ok(());
    }
    if at >> 32 == previous >> 32 {
        writeln!(
            out,
            "There is intra-epoch gap between {previous:x} and {at:x}"
        )
    } else if at & 0xffff_ffff != 1 {
        writeln!(
            out,
            "There is inter-epoch gap between {previous:x} and {at:x}"
        )
    } else {
        Ok(())
    }
}
