//! DescribeConfigs of every key, and what AlterConfigs and IncrementalAlterConfigs take and refuse.

use broker::config::def::Age;
use broker::config::keys;
use integration_tests::proc::wait_until;
use proto::kafka::Str;
use proto::kafka::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use proto::kafka::messages::{alter_configs as whole, incremental_alter_configs as steps};

use super::Side;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Keys whose values are those of this run, and keys of ours.
const OWN: &[&str] = &[
    "listeners",
    "advertised.listeners",
    "log.dirs",
    "zookeeper.connect",
    "metrics.http.host",
    "metrics.http.port",
];

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) fn story(side: &mut Side) {
    side.create(
        "configured",
        1,
        &[("retention.ms", "5000"), ("cleanup.policy", "compact")],
    );
    for version in 0..=4 {
        for (kind, name) in [
            (TOPIC, "configured"),
            (TOPIC, "nobody"),
            (TOPIC, ""),
            (TOPIC, "not a name"),
            (BROKER, "0"),
            (BROKER, ""),
            (BROKER, "1"),
            (BROKER, "x"),
        ] {
            describe(side, version, kind, name, None);
        }
        for keys in [&["retention.ms", "unheard"][..], &[]] {
            describe(side, version, TOPIC, "configured", Some(keys));
        }
        describe(
            side,
            version,
            BROKER,
            "0",
            Some(&["log.retention.ms", "num.io.threads"]),
        );
    }
    let topic = |side: &mut Side, steps: &[(&str, i8, Option<&str>)]| {
        change(side, TOPIC, "configured", steps);
        describe(side, 4, TOPIC, "configured", Some(WATCHED));
    };
    topic(side, &[("retention.ms", SET, Some("7000"))]);
    topic(side, &[("cleanup.policy", APPEND, Some("delete"))]);
    topic(side, &[("cleanup.policy", SUBTRACT, Some("compact"))]);
    topic(side, &[("cleanup.policy", APPEND, Some("nonsense"))]);
    topic(side, &[("retention.ms", APPEND, Some("1"))]);
    topic(side, &[("retention.ms", DELETE, None)]);
    topic(side, &[("unheard", DELETE, None)]);
    topic(side, &[("unheard", SET, Some("1"))]);
    topic(side, &[("segment.bytes", SET, Some("13"))]);
    topic(side, &[("segment.bytes", SET, Some("many"))]);
    topic(side, &[("segment.bytes", SET, None)]);
    topic(side, &[("preallocate", SET, Some("maybe"))]);
    topic(side, &[("compression.type", SET, Some("rar"))]);
    topic(side, &[("min.cleanable.dirty.ratio", SET, Some("2"))]);
    change(side, BROKER, "0", &[("log.roll.ms", 9, Some("1"))]);
    topic(
        side,
        &[
            ("segment.ms", SET, Some("9000")),
            ("segment.ms", SET, Some("8000")),
        ],
    );
    topic(
        side,
        &[
            ("flush.ms", SET, Some("1")),
            ("max.message.bytes", SET, Some("x")),
        ],
    );
    topic(
        side,
        &[
            ("min.compaction.lag.ms", SET, Some("9")),
            ("max.compaction.lag.ms", SET, Some("5")),
        ],
    );
    for (kind, name) in [
        (TOPIC, "nobody"),
        (TOPIC, ""),
        (BROKER, "1"),
        (BROKER, "x"),
        (99, "x"),
    ] {
        change(side, kind, name, &[("retention.ms", SET, Some("1"))]);
        replace(side, kind, name, &[("retention.ms", Some("1"))]);
    }
    brokers(side);
    replaced(side);
}

const WATCHED: &[&str] = &[
    "retention.ms",
    "cleanup.policy",
    "segment.ms",
    "flush.ms",
    "segment.bytes",
    "compression.type",
];

fn brokers(side: &mut Side) {
    for name in ["0", ""] {
        let broker = |side: &mut Side, steps: &[(&str, i8, Option<&str>)]| {
            change(side, BROKER, name, steps);
        };
        // a pool at most doubles and at most halves
        for (key, value) in [
            ("num.io.threads", "17"),
            ("num.io.threads", "3"),
            ("num.io.threads", "0"),
            ("num.io.threads", "16"),
            ("background.threads", "21"),
            ("background.threads", "4"),
            ("background.threads", "5"),
            ("num.replica.fetchers", "3"),
            ("num.replica.fetchers", "2"),
            ("num.recovery.threads.per.data.dir", "3"),
            ("num.network.threads", "9"),
            ("log.cleaner.threads", "4"),
            ("log.retention.ms", "x"),
            ("log.retention.ms", "100000"),
            ("broker.id", "7"),
            ("zookeeper.connect", "elsewhere:1"),
            ("listeners", "PLAINTEXT://127.0.0.1:1"),
            ("max.connections", "5000"),
            ("max.connections.per.ip", "-1"),
            ("unheard.of", "1"),
            ("ssl.keystore.password", "secret"),
            ("message.max.bytes", "2000000"),
        ] {
            broker(side, &[(key, SET, Some(value))]);
        }
        broker(
            side,
            &[("broker.id", SET, Some("7")), ("log.dir", SET, Some("/"))],
        );
        broker(side, &[("num.io.threads", APPEND, Some("1"))]);
        let shown = [
            "num.io.threads",
            "background.threads",
            "log.retention.ms",
            "message.max.bytes",
            "max.connections",
            "unheard.of",
        ];
        describe(side, 4, BROKER, name, Some(&shown));
        broker(side, &[("message.max.bytes", DELETE, None)]);
        describe(side, 4, BROKER, name, Some(&shown));
    }
    // what the topics get of it
    describe(side, 4, TOPIC, "configured", Some(WATCHED));
}

fn replaced(side: &mut Side) {
    for (kind, name, configs) in [
        (TOPIC, "configured", &[("flush.ms", Some("77"))][..]),
        (TOPIC, "configured", &[("flush.ms", None)]),
        (TOPIC, "configured", &[("unheard", Some("1"))]),
        (
            TOPIC,
            "configured",
            &[("flush.ms", Some("1")), ("flush.ms", Some("2"))],
        ),
        (BROKER, "0", &[("log.flush.interval.ms", Some("5"))]),
        (BROKER, "0", &[("broker.rack", Some("5"))]),
        (BROKER, "", &[("num.io.threads", Some("12"))]),
        (BROKER, "", &[]),
        (BROKER, "0", &[]),
    ] {
        replace(side, kind, name, configs);
        describe(side, 4, kind, name, Some(WATCHED));
    }
}

fn describe(side: &mut Side, version: i16, kind: i8, name: &str, keys: Option<&[&str]>) {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: keys.map(|keys| keys.iter().map(|k| Str::from(*k)).collect()),
            ..Default::default()
        }],
        include_synonyms: version >= 1,
        ..Default::default()
    };
    let answer = side.broker.call(version, &request).unwrap();
    for result in answer.results {
        let what = format!("v{version} describe {kind} {name:?}");
        side.say(&what, (result.error_code, &result.error_message));
        let mut configs = result.configs;
        configs.sort_by_key(|config| config.name.to_string());
        for mut config in configs {
            // which Java's brokers have not filled in since 2.6
            config.is_default = false;
            let known = keys::broker_key(&config.name);
            if kind == BROKER && known.is_some_and(|key| key.age == Age::Until27) {
                continue;
            }
            if !OWN.contains(&config.name.as_str()) {
                side.say(format!("{what} {}", config.name), config);
            }
        }
    }
}

/// What was stored is in force after a while: both brokers learn of it from ZooKeeper.
fn settle(side: &mut Side, kind: i8, name: &str, key: &str, value: Option<&str>) {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: Some(vec![key.into()]),
            ..Default::default()
        }],
        include_synonyms: true,
        ..Default::default()
    };
    let source = match (kind, name) {
        (TOPIC, _) => 1,
        (_, "") => 3,
        _ => 2,
    };
    wait_until(&format!("{key} of {name} to be {value:?}"), || {
        let answer = side.broker.call(4, &request).unwrap();
        let configs = &answer.results[0].configs;
        let set = configs.iter().flat_map(|c| &c.synonyms);
        let mut set = set.filter(|s| s.source == source && s.name.as_str() == key);
        let hidden = configs.iter().any(|c| c.is_sensitive);
        let now = set.next().map(|s| s.value.as_deref().map(str::to_owned));
        hidden
            || match value {
                Some(value) => now.is_some_and(|now| now.as_deref() == Some(value)),
                None => now.is_none(),
            }
    });
}

fn change(side: &mut Side, kind: i8, name: &str, steps: &[(&str, i8, Option<&str>)]) {
    for (version, validate_only) in [(0, true), (1, false)] {
        let step =
            |&(name, config_operation, value): &(&str, i8, Option<&str>)| steps::AlterableConfig {
                name: name.into(),
                config_operation,
                value: value.map(Str::from),
                ..Default::default()
            };
        let request = steps::IncrementalAlterConfigsRequest {
            resources: vec![steps::AlterConfigsResource {
                resource_type: kind,
                resource_name: name.into(),
                configs: steps.iter().map(step).collect(),
                ..Default::default()
            }],
            validate_only,
            ..Default::default()
        };
        let answer = side.broker.call(version, &request).unwrap();
        let done = answer.responses[0].error_code.0 == 0 && !validate_only;
        side.say(
            format!("v{version} change {kind} {name:?} {steps:?}"),
            &answer,
        );
        for (key, operation, value) in steps.iter().filter(|_| done) {
            match *operation {
                SET => settle(side, kind, name, key, *value),
                DELETE => settle(side, kind, name, key, None),
                APPEND if *key == "cleanup.policy" => {
                    settle(side, kind, name, key, Some("compact,delete"));
                }
                SUBTRACT => settle(side, kind, name, key, Some("delete")),
                _ => {}
            }
        }
    }
}

fn replace(side: &mut Side, kind: i8, name: &str, configs: &[(&str, Option<&str>)]) {
    for (version, validate_only) in [(0, true), (2, false)] {
        let config = |(name, value): &(&str, Option<&str>)| whole::AlterableConfig {
            name: (*name).into(),
            value: value.map(Str::from),
            ..Default::default()
        };
        let request = whole::AlterConfigsRequest {
            resources: vec![whole::AlterConfigsResource {
                resource_type: kind,
                resource_name: name.into(),
                configs: configs.iter().map(config).collect(),
                ..Default::default()
            }],
            validate_only,
            ..Default::default()
        };
        let answer = side.broker.call(version, &request).unwrap();
        let done = answer.responses[0].error_code.0 == 0 && !validate_only;
        side.say(
            format!("v{version} replace {kind} {name:?} {configs:?}"),
            &answer,
        );
        for (key, value) in configs.iter().filter(|_| done) {
            settle(side, kind, name, key, *value);
        }
    }
}
