//! ListOffsets in every version, over batches of known times.

use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::records::{BatchOptions, Compression};

use super::{Side, batch};

const TOPIC: &str = "times";

pub(crate) fn story(side: &mut Side) {
    side.create(
        TOPIC,
        1,
        &[("segment.bytes", "700"), ("index.interval.bytes", "100")],
    );
    side.create("empty", 1, &[]);
    side.create("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    // rising, falling and equal times; some without any
    for (round, times) in [
        &[1000, 1001, 1005][..],
        &[1005, 1003, 1009],
        &[900, 901],
        &[-1],
        &[2000, 1500, 2500, 2500],
        &[2500],
        &[1700],
        &[3000, 3001, 3002, 3003, 3004, 3005],
        &[2999],
    ]
    .iter()
    .enumerate()
    {
        let compression = Compression::from_id(u8::try_from(round % 5).unwrap()).unwrap();
        let options = BatchOptions {
            compression,
            ..Default::default()
        };
        side.append(TOPIC, batch(options, times));
    }
    side.append("stamped", batch(BatchOptions::default(), &[1, 2]));
    let times = [
        0, 899, 900, 1000, 1002, 1005, 1006, 1009, 1010, 1501, 2000, 2001, 2500, 2501, 2999, 3000,
        3002, 3005, 3006, -1, -2, -3, -4, -5, -6, -7,
    ];
    for version in 0..=9 {
        // Java's version 0 goes by the times of files
        let of_files = |time: &&i64| version > 0 || **time == -1 || **time == -2;
        for time in times.iter().filter(of_files) {
            ask(side, version, TOPIC, 0, *time, 0, -1);
        }
        for (topic, partition) in [("empty", 0), ("nobody", 0), (TOPIC, 7)] {
            for time in [-1, -2, -3, 5] {
                if version > 0 || time < 0 {
                    ask(side, version, topic, partition, time, 1, -1);
                }
            }
        }
        for epoch in [0, 1, 99] {
            ask(side, version, TOPIC, 0, -1, 0, epoch);
            ask(side, version, TOPIC, 0, -2, 0, epoch);
        }
        ask(side, version, "stamped", 0, -1, 0, -1);
        ask(side, version, "stamped", 0, i64::MAX, 0, -1);
        twice(side, version);
    }
}

fn request(
    version: i16,
    topic: &str,
    partition: i32,
    time: i64,
    isolation: i8,
    epoch: i32,
) -> ListOffsetsRequest {
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation,
        topics: vec![ListOffsetsTopic {
            name: topic.into(),
            partitions: vec![ListOffsetsPartition {
                partition_index: partition,
                current_leader_epoch: epoch,
                timestamp: time,
                max_num_offsets: if version == 0 { 100 } else { 1 },
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn ask(
    side: &mut Side,
    version: i16,
    topic: &str,
    partition: i32,
    time: i64,
    isolation: i8,
    epoch: i32,
) {
    let isolation = if version >= 2 { isolation } else { 0 };
    let epoch = if version >= 4 { epoch } else { -1 };
    let request = request(version, topic, partition, time, isolation, epoch);
    let answer = side.broker.call(version, &request);
    let answer = answer.map(|a| a.topics).map_err(|e| e.kind());
    if answer.is_err() {
        side.broker = side.connect();
    }
    let what = format!("v{version} {topic}-{partition} at {time} isolation {isolation} {epoch}");
    side.say(what, answer);
}

/// A partition that is asked for twice.
fn twice(side: &mut Side, version: i16) {
    let mut request = request(version, TOPIC, 0, -2, 0, -1);
    let again = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.push(again);
    let answer = side.broker.call(version, &request).unwrap();
    let mut partitions: Vec<_> = answer.topics.iter().flat_map(|t| &t.partitions).collect();
    partitions.sort_by_key(|p| p.offset);
    let partitions = format!("{partitions:?}");
    side.say(format!("v{version} twice"), partitions);
}
