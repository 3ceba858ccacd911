//! `OFFSET.snapshot`: a partition's producers as bytes. A damaged file is refused as a whole. Mirrors
//! the file format of org.apache.kafka.storage.internals.log.ProducerStateManager.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::producer::{BatchMeta, Producer};

const SNAPSHOT_VERSION: i16 = 1;
const SNAPSHOT_HEADER: usize = 10;
const SNAPSHOT_ENTRY: usize = 46;

/// Version, CRC32C of what follows, entries; producers in the order of their ids.
pub(super) fn encode(producers: &HashMap<i64, Producer>) -> Vec<u8> {
    let mut out = Vec::with_capacity(SNAPSHOT_HEADER + producers.len() * SNAPSHOT_ENTRY);
    out.extend_from_slice(&SNAPSHOT_VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(producers.len() as i32).to_be_bytes());
    let sorted: BTreeMap<_, _> = producers.iter().collect();
    for (id, p) in sorted {
        let last = p.batches.back();
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&p.epoch.to_be_bytes());
        out.extend_from_slice(&p.last_sequence().to_be_bytes());
        out.extend_from_slice(&last.map_or(-1, |b| b.last_offset).to_be_bytes());
        out.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
        out.extend_from_slice(&p.last_timestamp.to_be_bytes());
        out.extend_from_slice(&p.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&p.txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c::crc32c(&out[6..]);
    out[2..6].copy_from_slice(&crc.to_be_bytes());
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<(i64, Producer)>, String> {
    let mut r = proto::buf::Reader::new(bytes);
    let damaged = |e: proto::buf::ReadError| e.to_string();
    let version = r.i16().map_err(damaged)?;
    if version != SNAPSHOT_VERSION {
        return Err(format!("unknown version {version}"));
    }
    let (stored, computed) = (r.u32().map_err(damaged)?, crc32c::crc32c(r.rest()));
    if stored != computed {
        return Err(format!(
            "stored CRC {stored} is not the computed {computed}"
        ));
    }
    let count = r.i32().map_err(damaged)?;
    let mut producers = Vec::new();
    for _ in 0..count {
        let id = r.i64().map_err(damaged)?;
        let epoch = r.i16().map_err(damaged)?;
        let last_sequence = r.i32().map_err(damaged)?;
        let last_offset = r.i64().map_err(damaged)?;
        let offset_delta = r.i32().map_err(damaged)?;
        let last_timestamp = r.i64().map_err(damaged)?;
        let coordinator_epoch = r.i32().map_err(damaged)?;
        let txn = r.i64().map_err(damaged)?;
        let batch = BatchMeta {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp: last_timestamp,
        };
        let batches = if last_offset >= 0 {
            VecDeque::from([batch])
        } else {
            VecDeque::new()
        };
        let txn_first_offset = (txn >= 0).then_some(txn);
        producers.push((
            id,
            Producer {
                epoch,
                coordinator_epoch,
                last_timestamp,
                txn_first_offset,
                batches,
            },
        ));
    }
    Ok(producers)
}
