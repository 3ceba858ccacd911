//! Retention on running brokers: what is deleted by size and by time, and what is not.

use std::time::{Duration, UNIX_EPOCH};

use integration_tests::proc::wait_until;
use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::records::BatchOptions;

use super::{Side, batch};

const HOUR: i64 = 3_600_000;

/// Of one topic.
type Configs<'a> = [(&'a str, &'a str)];

pub(crate) fn story(side: &mut Side) {
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let small = ("segment.bytes", "1000");
    let keep = ("retention.ms", "-1");
    let hour = ("retention.ms", "3600000");
    let topics: &[(&str, &Configs, bool)] = &[
        ("by-size", &[small, keep, ("retention.bytes", "2000")], true),
        ("by-time", &[small, hour], true),
        ("by-both", &[small, hour, ("retention.bytes", "2500")], true),
        ("by-nothing", &[small, keep], false),
        (
            "compacted",
            &[small, hour, ("cleanup.policy", "compact")],
            false,
        ),
        (
            "small-enough",
            &[small, keep, ("retention.bytes", "100000")],
            false,
        ),
        ("one-segment", &[keep, ("retention.bytes", "0")], true),
    ];
    for (topic, configs, _) in topics {
        let topic = format!("kept-{topic}");
        side.create(&topic, 1, configs);
        // old, young, and in between one that holds back what is older
        for n in 0..40 {
            let age = match n {
                0..20 => 3 * HOUR,
                20 => 0,
                21..30 => 2 * HOUR,
                _ => 0,
            };
            side.append(&topic, batch(BatchOptions::default(), &[now - age; 3]));
        }
    }
    let moves = topics.iter().filter(|(_, _, moves)| *moves);
    for (topic, _, _) in moves {
        wait_until("retention", || ends(side, &format!("kept-{topic}")).0 > 0);
    }
    // another round changes nothing
    std::thread::sleep(Duration::from_millis(2500));
    for (topic, _, _) in topics {
        let ends = ends(side, &format!("kept-{topic}"));
        side.say(format!("{topic} keeps"), ends);
    }
}

fn ends(side: &mut Side, topic: &str) -> (i64, i64) {
    let mut end = |timestamp| {
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: topic.into(),
                partitions: vec![ListOffsetsPartition {
                    timestamp,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        side.broker.call(5, &request).unwrap().topics[0].partitions[0].offset
    };
    (end(-2), end(-1))
}
