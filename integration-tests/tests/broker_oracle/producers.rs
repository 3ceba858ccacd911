//! InitProducerId, idempotent producers with five requests on their way, and records that are refused.

use integration_tests::proc::wait_until;
use proto::kafka::ErrorCode;
use proto::kafka::messages::init_producer_id::InitProducerIdRequest;
use proto::kafka::messages::produce::ProduceRequest;
use proto::records::{BatchBuilder, BatchOptions, Compression, MessageSetBuilder};

use super::{Side, batch, produce};

const TOPIC: &str = "produced";

pub(crate) fn story(side: &mut Side) {
    side.create(TOPIC, 2, &[]);
    side.create("compacted", 1, &[("cleanup.policy", "compact")]);
    let near = [
        ("message.timestamp.before.max.ms", "3600000"),
        ("message.timestamp.after.max.ms", "3600000"),
    ];
    side.create("near", 1, &near);
    side.append(TOPIC, batch(BatchOptions::default(), &[1]));
    side.append("compacted", batch(BatchOptions::default(), &[1]));
    let ids = ids(side);
    sequences(side, ids[0]);
    five_in_flight(side, ids[1]);
    refused(side);
    old_formats(side);
}

fn init(side: &mut Side, version: i16, request: &InitProducerIdRequest) -> i64 {
    let answer = side.broker.call(version, request).unwrap();
    let id = answer.producer_id;
    side.name("producer", &id.max(1_000_000_000).to_string());
    let what = format!("v{version} {request:?}");
    side.say(what, (answer.error_code, id >= 0, answer.producer_epoch));
    id
}

fn ids(side: &mut Side) -> Vec<i64> {
    let mut ids = Vec::new();
    wait_until("ids to be had", || {
        let request = InitProducerIdRequest::default();
        side.broker.call(0, &request).unwrap().error_code == ErrorCode::NONE
    });
    for version in 0..=5 {
        let request = InitProducerIdRequest {
            transaction_timeout_ms: 1000,
            ..Default::default()
        };
        ids.push(init(side, version, &request));
        let empty = InitProducerIdRequest {
            transactional_id: Some("".into()),
            ..request.clone()
        };
        init(side, version, &empty);
        if version < 3 {
            continue;
        }
        for (producer_id, producer_epoch) in [(5, -1), (-1, 5), (ids[0], 0), (ids[0], i16::MAX)] {
            let request = InitProducerIdRequest {
                producer_id,
                producer_epoch,
                ..request.clone()
            };
            let answer = side.broker.call(version, &request).unwrap();
            let new = answer.producer_id >= 0 && !ids.contains(&answer.producer_id);
            let what = format!("v{version} {} {producer_epoch}", producer_id >= 0);
            side.say(what, (answer.error_code, new, answer.producer_epoch));
        }
    }
    let mut different = ids.clone();
    different.sort_unstable();
    different.dedup();
    side.say("different ids", different.len());
    ids
}

fn numbered(id: i64, epoch: i16, sequence: i32, count: usize) -> Vec<u8> {
    let options = BatchOptions {
        producer_id: id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..Default::default()
    };
    batch(options, &vec![1_700_000_000_000; count])
}

fn send(side: &mut Side, what: &str, version: i16, request: &ProduceRequest) {
    let answer = side.broker.call(version, request);
    let answer = answer.map(|a| a.responses).map_err(|e| e.kind());
    if answer.is_err() {
        side.broker = side.connect();
    }
    side.say(format!("v{version} {what}"), answer);
}

fn sequences(side: &mut Side, id: i64) {
    for (epoch, sequence, count) in [
        (0, 0, 3),
        (0, 3, 2),
        (0, 3, 2),
        (0, 0, 3),
        (0, 3, 1),
        (0, 6, 1),
        (0, 5, 1),
        (0, 6, 1),
        (0, 7, 1),
        (0, 8, 1),
        (0, 9, 1),
        // no longer among the last five
        (0, 0, 3),
        (0, 3, 2),
        (0, 5, 1),
        (0, 9, 1),
        (0, 1 << 30, 1),
        (1, 5, 1),
        (1, 0, 1),
        (1, 0, 1),
        (0, 10, 1),
        (1, 1, 1),
        (3, 7, 1),
        (3, 0, 2),
        (1, 2, 1),
        (-1, 0, 1),
        (3, -1, 1),
        (3, -5, 1),
    ] {
        let what = format!("epoch {epoch} sequence {sequence} of {count}");
        let request = produce(TOPIC, 0, -1, numbered(id, epoch, sequence, count));
        send(side, &what, 9, &request);
    }
    // one that nobody has heard of may begin anywhere; numbers wrap
    let last = i32::MAX;
    for (sequence, count) in [(last - 1, 2), (0, 1), (last - 1, 2), (1, 1), (0, 1), (3, 1)] {
        let request = produce(TOPIC, 0, 1, numbered(id + 777, 4, sequence, count));
        send(side, &format!("stranger {sequence}"), 7, &request);
    }
    // no id, but an epoch or a sequence
    for (epoch, sequence) in [(0, -1), (-1, 0), (3, 3)] {
        let request = produce(TOPIC, 0, 1, numbered(-1, epoch, sequence, 1));
        send(side, &format!("no id {epoch} {sequence}"), 8, &request);
    }
}

/// Requests on their way together; the second time one is missing in the middle.
fn five_in_flight(side: &mut Side, id: i64) {
    for numbers in [
        [0, 1, 2, 3, 4],
        [5, 7, 8, 9, 10],
        [6, 7, 8, 9, 10],
        [6, 7, 8, 9, 10],
    ] {
        for sequence in numbers {
            let request = produce(TOPIC, 1, -1, numbered(id, 0, sequence, 1));
            side.broker.send(9, &request).unwrap();
        }
        for sequence in numbers {
            let answer = side.broker.receive::<ProduceRequest>(9).unwrap();
            side.say(format!("{sequence} of {numbers:?}"), answer.responses);
        }
    }
}

fn changed(mut batch: Vec<u8>, at: usize, to: &[u8], crc: bool) -> Vec<u8> {
    batch[at..at + to.len()].copy_from_slice(to);
    if crc {
        let sum = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&sum.to_be_bytes());
    }
    batch
}

/// What cannot be decompressed is left out: Java's broker calls that an error of its own.
fn broken_batches() -> Vec<(&'static str, Vec<u8>)> {
    let plain = || batch(BatchOptions::default(), &[1_700_000_000_000; 3]);
    let control = BatchOptions {
        control: true,
        ..Default::default()
    };
    let transactional = BatchOptions {
        transactional: true,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..Default::default()
    };
    let mut large = BatchBuilder::new(BatchOptions::default());
    large.append(1, Some(b"k"), Some(&vec![7; 1_100_000]), std::iter::empty());
    vec![
        ("plain", plain()),
        ("wrong checksum", changed(plain(), 70, &[0xff], false)),
        ("offset 5", changed(plain(), 0, &5i64.to_be_bytes(), false)),
        ("epoch 9", changed(plain(), 12, &9i32.to_be_bytes(), false)),
        ("magic 7", changed(plain(), 16, &[7], false)),
        ("magic 1", changed(plain(), 16, &[1], false)),
        ("magic -1", changed(plain(), 16, &[0xff], false)),
        ("count 2", changed(plain(), 57, &2i32.to_be_bytes(), true)),
        ("count 0", changed(plain(), 57, &0i32.to_be_bytes(), true)),
        ("count 4", changed(plain(), 57, &4i32.to_be_bytes(), true)),
        ("delta 1", changed(plain(), 23, &1i32.to_be_bytes(), true)),
        (
            "delta -1",
            changed(plain(), 23, &(-1i32).to_be_bytes(), true),
        ),
        (
            "append time",
            changed(plain(), 21, &8i16.to_be_bytes(), true),
        ),
        ("broken record", changed(plain(), 61, &[0x7f], true)),
        ("no records", plain()[..61].to_vec()),
        ("half", plain()[..70].to_vec()),
        ("two", [plain(), plain()].concat()),
        ("control", batch(control, &[1])),
        ("transactional", batch(transactional, &[1])),
        ("large", large.build().unwrap()),
        (
            "far in the future",
            batch(BatchOptions::default(), &[i64::MAX / 2]),
        ),
        ("nothing", Vec::new()),
        ("garbage", vec![0x55; 100]),
    ]
}

fn refused(side: &mut Side) {
    for (what, records) in broken_batches() {
        for version in [3, 7, 8, 9, 11] {
            let request = produce(TOPIC, 0, 1, records.clone());
            send(side, what, version, &request);
        }
    }
    let old = batch(BatchOptions::default(), &[1, i64::MAX / 2]);
    send(side, "too old, too new", 7, &produce("near", 0, 1, old));
    let mut keyless = BatchBuilder::new(BatchOptions::default());
    keyless.append(5, Some(b"k"), Some(b"v"), std::iter::empty());
    keyless.append(5, None, Some(b"v"), std::iter::empty());
    keyless.append(5, None, Some(b"v"), std::iter::empty());
    let keyless = keyless.build().unwrap();
    for version in [3, 8, 9, 11] {
        send(
            side,
            "without keys",
            version,
            &produce("compacted", 0, -1, keyless.clone()),
        );
        let plain = || batch(BatchOptions::default(), &[1]);
        for acks in [-2, 2, 0] {
            let request = produce("nobody", 0, acks, plain());
            if acks != 0 {
                send(side, &format!("acks {acks}"), version, &request);
            }
            let request = produce(TOPIC, 0, acks, plain());
            if acks != 0 {
                send(side, &format!("acks {acks}"), version, &request);
            }
        }
        send(side, "nobody", version, &produce("nobody", 0, 1, plain()));
        send(side, "9", version, &produce(TOPIC, 9, 1, plain()));
        send(side, "-1", version, &produce(TOPIC, -1, 1, plain()));
        send(
            side,
            "internal",
            version,
            &produce("__consumer_offsets", 0, 1, plain()),
        );
        let zstd = BatchOptions {
            compression: Compression::Zstd,
            ..Default::default()
        };
        send(
            side,
            "zstd",
            version,
            &produce(TOPIC, 0, 1, batch(zstd, &[1])),
        );
    }
}

/// Messages of formats 0 and 1.
fn old_formats(side: &mut Side) {
    for version in 0..=3 {
        for magic in [0, 1] {
            for codec in 0..=3 {
                let codec = Compression::from_id(codec).unwrap();
                let mut set = MessageSetBuilder::new(magic, codec, None);
                for n in 0..3 {
                    set.append(n, 1_700_000_000_000, Some(b"k"), Some(b"v"));
                }
                let mut records = Vec::new();
                set.finish_into(&mut records).unwrap();
                let what = format!("magic {magic} {codec:?}");
                send(side, &what, version, &produce(TOPIC, 0, 1, records.clone()));
                let last = records.len() - 1;
                records[last] ^= 1;
                let what = format!("{what} broken");
                send(side, &what, version, &produce(TOPIC, 0, 1, records.clone()));
                records.truncate(last - 3);
                let what = format!("magic {magic} {codec:?} cut off");
                send(side, &what, version, &produce(TOPIC, 0, 1, records));
            }
        }
        if version < 3 {
            let request = produce(TOPIC, 0, 1, batch(BatchOptions::default(), &[1]));
            send(side, "magic 2", version, &request);
        }
    }
}
