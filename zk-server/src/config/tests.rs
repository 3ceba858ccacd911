//! Tests of the table of keys and of what is made of zoo.cfg.

use std::collections::BTreeSet;
use std::path::Path;

use proto::properties::Properties;

use super::key::{Key, Kind, Status};
use super::{Config, JvmFlags, Sources, keys};
use crate::core::Settings;
use crate::threads::prepare;

const BASE: &str = "dataDir=/data\nclientPort=2181\n";

fn config_of(cfg: &str, flags: &str, dynamic: Option<&str>) -> Result<Config, String> {
    config_with(cfg, flags, dynamic, dynamic.map(|_| "1"))
}

fn config_with(
    cfg: &str,
    flags: &str,
    dynamic: Option<&str>,
    myid: Option<&str>,
) -> Result<Config, String> {
    let mut jvm = JvmFlags::default();
    jvm.add("SERVER_JVMFLAGS", flags);
    let file = |name: &str, text: &str| Properties::parse(name, text.as_bytes()).unwrap();
    Config::new(Sources {
        cfg: file("zoo.cfg", cfg),
        flags: jvm,
        dynamic: dynamic.map(|text| file("zoo.cfg.dynamic.1f", text)),
        next: None,
        myid: myid.map(str::to_owned),
        no_data_dir: None,
    })
    .map_err(|error| error.message)
}

fn with(lines: &str) -> Result<Config, String> {
    config_of(&format!("{BASE}{lines}"), "", None)
}

/// A value that differs from the default, as the key's kind needs it.
fn other_value(key: &Key) -> String {
    match (key.name, key.kind) {
        ("DigestAuthenticationProvider.digestAlg", _) => "SHA-256".to_owned(),
        ("forceSync", _) => "no".to_owned(),
        ("maxSessionTimeout", _) => "70000".to_owned(),
        ("leaderServes", _) => "no".to_owned(),
        ("skipACL", _) => "yes".to_owned(),
        ("admin.enableServer", _) => "false".to_owned(),
        ("readonlymode.enabled", _) => "true".to_owned(),
        ("snapshot.compression.method", _) => "gz".to_owned(),
        ("metricsProvider.className", _) => {
            "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider".to_owned()
        }
        ("metricsProvider.exportJvmInfo", _) => "false".to_owned(),
        (_, Kind::Int | Kind::Long) => {
            let default: i64 = key.default.parse().unwrap_or(5);
            (default.max(4) + 1).to_string()
        }
        (_, Kind::Float) => "0.5".to_owned(),
        (_, Kind::Bool) => (key.default != "true").to_string(),
        _ => "other".to_owned(),
    }
}

fn effective() -> impl Iterator<Item = &'static Key> {
    keys::all().filter(|key| key.status == Status::Effective)
}

/// Keys whose value is judged together with others.
fn stands_alone(key: &Key) -> bool {
    let together = [
        "server.*",
        "group*",
        "weight*",
        "dynamicConfigFile",
        "peerType",
        "enforce.auth.enabled",
    ];
    !together.contains(&key.name) && key.name != "standaloneEnabled"
}

#[test]
fn effective_keys_reach_the_settings() {
    let settings = |config: Config| Config {
        properties: Vec::new(),
        ..config
    };
    let before = settings(with("").unwrap());
    for key in effective().filter(|key| stands_alone(key)) {
        let value = other_value(key);
        let base = BASE
            .lines()
            .filter(|line| !line.starts_with(&format!("{}=", key.name)));
        let base: Vec<&str> = base.collect();
        let cfg = format!("{}\n{}={value}\n", base.join("\n"), key.name);
        let after = settings(config_of(&cfg, "", None).unwrap());
        assert_ne!(
            before, after,
            "{}={value} in zoo.cfg changes nothing",
            key.name
        );
        if let Some(property) = key.property() {
            let after = config_of(BASE, &format!("-D{property}={value}"), None).unwrap();
            assert_ne!(
                before,
                settings(after),
                "-D{property}={value} changes nothing"
            );
        }
    }
}

#[test]
fn noted_keys_are_accepted_with_their_note() {
    for key in keys::all() {
        let Status::Noted(why) = key.status else {
            continue;
        };
        let name = key.name.replace('*', "some");
        if name.starts_with("server.") {
            continue; // a property whose line in zoo.cfg would be one of an ensemble, in Java too
        }
        if name == "version" {
            continue; // any other text refuses the start, as in Java
        }
        let config = with(&format!("{name}={}\n", other_value(key))).unwrap();
        let noted = |note: &&String| note.contains(why) && note.contains("zoo.cfg, line 3");
        assert!(
            config.notes.iter().any(|n| noted(&n)),
            "{name}: {:?}",
            config.notes
        );
        if let Some(property) = key.property() {
            let property = property.replace('*', "some");
            let flag = format!("-D{property}={}", other_value(key));
            let config = config_of(BASE, &flag, None).unwrap();
            assert!(config.notes.iter().any(|note| note.contains(why)), "{flag}");
        }
    }
}

#[test]
fn refused_keys_name_key_file_and_line() {
    for key in keys::all() {
        let Status::Refused { unless, why } = key.status else {
            continue;
        };
        let name = key.name.replace('*', "some");
        let error = with(&format!("{name}={}\n", other_value(key))).unwrap_err();
        assert!(error.starts_with("zoo.cfg, line 3: "), "{error}");
        assert!(error.contains(&name) && error.contains(why), "{error}");
        for harmless in unless {
            with(&format!("{name}={harmless}\n")).unwrap();
        }
        if let Some(property) = key.property() {
            let property = property.replace('*', "some");
            let flag = format!("-D{property}={}", other_value(key));
            let error = config_of(BASE, &flag, None).unwrap_err();
            assert!(
                error.contains("SERVER_JVMFLAGS") && error.contains(why),
                "{error}"
            );
        }
    }
}

#[test]
fn every_key_of_java_is_in_the_table() {
    let list = include_str!("keys/java_keys.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let mut missing = Vec::new();
    for line in lines {
        let (kind, name) = line.split_once(' ').unwrap();
        let found = match kind {
            "cfg" => keys::find(name).is_some_and(|key| key.place.in_cfg()),
            _ => {
                let bare = name.strip_prefix("zookeeper.");
                keys::find(bare.unwrap_or(name)).is_some()
            }
        };
        if !found {
            missing.push(line);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn keys_are_unique_and_each_names_one_test() {
    let mut names = BTreeSet::new();
    let tests = test_functions();
    for key in keys::all() {
        assert!(names.insert(key.name), "{} stands twice", key.name);
        assert!(!key.doc.is_empty() && !key.since.is_empty(), "{}", key.name);
        assert_eq!(
            tests.iter().filter(|test| *test == key.test).count(),
            1,
            "{}: its test is {:?}",
            key.name,
            key.test
        );
        // That a value arrives in the settings says nothing about what it does.
        assert_ne!(
            key.test, "effective_keys_reach_the_settings",
            "{}",
            key.name
        );
    }
}

/// A story is told with settings; that the key's value becomes one of them is shown here.
#[test]
fn keys_held_by_stories_reach_what_the_stories_are_about() {
    let stories = tests_in(&[
        "src/auth",
        "src/core",
        "src/session",
        "src/store",
        "src/tree",
        "../integration-tests/tests/zk_store_crash.rs",
    ]);
    let given = |lines: &str| {
        let config = with(lines).unwrap();
        let settings = Settings {
            seed: 0,
            ..prepare::settings(&config)
        };
        let files = prepare::store_config(&config);
        format!(
            "{settings:?} {files:?} {:?}",
            prepare::database_settings(&config)
        )
    };
    let before = given("");
    let told = |key: &&Key| stories.iter().any(|story| *story == key.test);
    let keys: Vec<&Key> = effective().filter(told).collect();
    assert!(keys.len() >= 25, "{}", keys.len());
    for key in keys {
        // What it only counts with.
        let (with, value) = match key.name {
            "ensembleAuthName" => (
                "authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider\n",
                "ours".to_owned(),
            ),
            "enforce.auth.enabled" => ("enforce.auth.schemes=ip\n", "true".to_owned()),
            "enforce.auth.schemes" => ("enforce.auth.enabled=true\n", "ip".to_owned()),
            _ => ("", other_value(key)),
        };
        let without = match key.name {
            "ensembleAuthName" => given(with),
            _ => before.clone(),
        };
        let line = format!("{with}{}={value}\n", key.name);
        assert_ne!(
            given(&line),
            without,
            "{line} reaches neither core nor files"
        );
    }
}

/// Names of all functions marked `#[test]` of this crate and of the integration tests.
fn test_functions() -> Vec<String> {
    tests_in(&["src", "tests", "../integration-tests/tests"])
}

/// Those below these folders, or in these files.
fn tests_in(places: &[&str]) -> Vec<String> {
    fn walk(path: &Path, found: &mut Vec<String>) {
        if let Ok(entries) = std::fs::read_dir(path) {
            for entry in entries.flatten() {
                walk(&entry.path(), found);
            }
        } else if path.extension().is_some_and(|ext| ext == "rs") && !of_the_broker(path) {
            let text = std::fs::read_to_string(path).unwrap();
            let mut after_mark = false;
            for line in text.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("fn ").filter(|_| after_mark) {
                    found.extend(rest.split('(').next().map(str::to_owned));
                }
                after_mark = line == "#[test]" || after_mark && line.starts_with("#[");
            }
        }
    }
    /// Its tests may have the same names.
    fn of_the_broker(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("broker") || name.starts_with("kafka"))
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in places {
        walk(&root.join(place), &mut found);
    }
    found
}

#[test]
fn defaults_are_those_of_java() {
    let config = with("").unwrap();
    assert_eq!(config.tick_time_ms, 3000);
    assert_eq!(config.min_session_timeout_ms, 6000);
    assert_eq!(config.max_session_timeout_ms, 60000);
    assert_eq!(config.limits.max_client_cnxns, 60);
    assert_eq!(config.limits.jute_max_buffer, 1_048_575);
    assert_eq!(config.files.snap_count, 100_000);
    assert_eq!(config.four_letter.enabled, ["srvr"]);
    assert_eq!(config.admin.port, 8080);
    assert!(!config.metrics.prometheus && config.admin.enabled);
    assert_eq!(config.data_log_dir, config.data_dir);
    assert!(config.notes.is_empty() && config.warnings.is_empty());
}

#[test]
fn broken_files_are_refused_with_the_line_to_change() {
    for (lines, part) in [
        (
            "tickTime=0",
            "zoo.cfg, line 3: tickTime=0: tickTime is not set",
        ),
        (
            "tickTime=2s",
            "zoo.cfg, line 3: tickTime=2s: write a whole number",
        ),
        (
            "minSessionTimeout=90000",
            "minSessionTimeout must not be larger",
        ),
        ("clientPort=70000", "port out of range"),
        (
            "reconfigEnabled=yes",
            "Invalid option yes for reconfigEnabled",
        ),
        ("peerType=king", "Unrecognised peertype"),
        (
            "metricsProvider.className=no.Such",
            "metrics provider class was not found",
        ),
        ("electionAlg=0", "Only 3 is supported"),
        (
            "DigestAuthenticationProvider.digestAlg=MD0",
            "not a digest algorithm",
        ),
    ] {
        let error = with(lines).unwrap_err();
        assert!(error.contains(part), "{lines}: {error}");
    }
    for (lines, part) in [
        (
            "enforce.auth.enabled=true",
            "enforce.auth.schemes is not set",
        ),
        (
            "enforce.auth.enabled=true\nenforce.auth.schemes=ip,sasl",
            "line 4: enforce.auth.schemes=ip,sasl: Authentication scheme sasl is not available",
        ),
        (
            "enforce.auth.enabled=true\nenforce.auth.schemes=ensemble",
            "scheme ensemble is not available",
        ),
    ] {
        let error = with(lines).unwrap_err();
        assert!(error.contains(part), "{lines}: {error}");
    }
    let error = config_of("clientPort=1", "", None).unwrap_err();
    assert!(error.starts_with("zoo.cfg: dataDir is not set"), "{error}");
    let error = config_of("dataDir=/d\nclientPortAddress=::1", "", None).unwrap_err();
    assert!(error.contains("clientPort is not set"), "{error}");
}

#[test]
fn members_make_an_ensemble() {
    let two = "server.1=a:1:2\nserver.2=b:1:2\n";
    let limits = "initLimit=10\nsyncLimit=5\n";
    let of = |cfg: &str, myid: &str| {
        config_with(
            &format!("{BASE}{cfg}"),
            "",
            None,
            Some(myid).filter(|id| !id.is_empty()),
        )
    };
    let error = of(two, "1").unwrap_err();
    assert!(error.contains("initLimit is not set"), "{error}");
    let error = of(&format!("{two}initLimit=10\nsyncLimit=0"), "1").unwrap_err();
    assert!(
        error.starts_with("zoo.cfg, line 6: syncLimit=0: syncLimit is not set"),
        "{error}"
    );
    let error = of(&format!("{two}{limits}"), "").unwrap_err();
    let part =
        "zoo.cfg, line 1: dataDir=/data: myid file is missing: there is no /data/myid: write";
    assert!(error.starts_with(part), "{error}");
    let error = of(&format!("{two}{limits}"), "3").unwrap_err();
    let part = "My id 3 not in the peer list: /data/myid says 3, and the servers are 1, 2";
    assert!(error.contains(part), "{error}");
    for myid in ["\r", " ", "one", "1 2"] {
        let error = of(&format!("{two}{limits}"), myid).unwrap_err();
        let what = match myid.trim() {
            "" => "has no number in its first line".to_owned(),
            text => format!("serverid {text:?} is not a number"),
        };
        let all = format!("/data/myid: {what}: write the N of this server's line server.N into it");
        assert!(error.starts_with(&all), "{error}");
    }
    for (line, part) in [
        (
            "server.3=B:1:4",
            "zoo.cfg, line 7: server.3 and server.2 (zoo.cfg, line 4) both have B:1: two servers",
        ),
        ("server.3=c:1:2", ""),
        (
            "server.3=a:5:1",
            "server.3 and server.1 (zoo.cfg, line 3) both have a:1:",
        ),
        ("server.3=0.0.0.0:1:2\nserver.4=0.0.0.0:1:2", ""),
    ] {
        let warnings = of(&format!("{two}{limits}{line}"), "1").unwrap().warnings;
        let twice = warnings.iter().find(|line| line.contains("both have"));
        assert_eq!(twice.is_some(), !part.is_empty(), "{warnings:?}");
        assert!(twice.is_none_or(|line| line.contains(part)), "{twice:?}");
    }
    // A leader of Java's commits it.
    let cfg = format!("dataDir=/data\n{limits}dynamicConfigFile=zoo.cfg.dynamic\n");
    let lines = "server.1=a:1:2;2181\nserver.2=a:1:2;2182\n";
    let config = config_of(&cfg, "", Some(lines)).unwrap();
    assert!(
        config.warnings[1].contains("line 2: server.2 and server.1 (zoo.cfg.dynamic.1f, line 1)"),
        "{:?}",
        config.warnings
    );
    let config = of(&format!("{two}{limits}"), "2").unwrap();
    assert!(config.members.distributed);
    assert!(config.warnings[0].contains("You need at least 3 servers"));
    for line in ["sslQuorum=true", "quorum.auth.enableSasl=true"] {
        let error = of(&format!("{two}{limits}{line}"), "1").unwrap_err();
        assert!(error.starts_with(&format!("zoo.cfg, line 7: {line}")));
    }
    let config = of(
        &format!("{two}{limits}commitLogCount=7\ncnxTimeout=900"),
        "2",
    )
    .unwrap();
    let member = &config.ensemble;
    assert_eq!((member.init_limit, member.sync_limit), (10, 5));
    assert_eq!(
        (member.commit_log_count, member.connect_timeout_ms),
        (7, 900)
    );
    let config = of(&format!("{two}{limits}peerType=observer"), "1").unwrap();
    assert!(config.warnings[1].contains("doesn't match peerType"));

    let one = with("server.1=a:1:2").unwrap();
    assert!(one.warnings[0].contains("only one server specified (ignoring)"));
    assert!(!one.members.distributed);
    let one = format!("server.1=a:1:2\nstandaloneEnabled=false\n{limits}");
    assert!(of(&one, "1").unwrap().members.distributed);
    let error = with("server.1=a:1:2:observer").unwrap_err();
    assert!(error.contains("Observers w/o participants"), "{error}");
    assert!(
        with("standaloneEnabled=false")
            .unwrap_err()
            .contains("number of participants")
    );
    assert!(with("peerType=observer").is_ok());
}

#[test]
fn a_dynamic_file_is_read() {
    let cfg = "dataDir=/data\ndynamicConfigFile=zoo.cfg.dynamic\n";
    let config = config_of(cfg, "", Some("server.1=a:1:2;2182\n")).unwrap();
    assert_eq!(config.client.unwrap().port, 2182);
    assert_eq!(config.members.quorum.version, 0x1f);
    let error = config_of(cfg, "", Some("tickTime=1")).unwrap_err();
    assert!(
        error.contains("Unrecognised parameter: tickTime"),
        "{error}"
    );
    let both = format!("{cfg}server.1=a:1:2\n");
    let error = config_of(&both, "", Some("")).unwrap_err();
    assert!(
        error.contains("must be in a separate dynamic config file"),
        "{error}"
    );
}

#[test]
fn unknown_keys_become_properties() {
    let config = with("controlled.shutdown.enable=true\nticktime=5\n").unwrap();
    let set = |name: &str| config.properties.iter().any(|(known, _)| known == name);
    assert!(set("zookeeper.controlled.shutdown.enable"));
    assert!(config.notes[0].contains("zookeeper.controlled.shutdown.enable"));
    assert!(
        config.warnings[0].contains("write tickTime"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn options_for_the_jvm_count_as_in_java() {
    let config = config_of(
        &format!("{BASE}snapCount=7\njute.maxbuffer=70\n"),
        "-Xmx1g -Dzookeeper.snapCount=9 -Djute.maxbuffer=0x50 -Dfsync.warningthresholdms=20",
        None,
    )
    .unwrap();
    // zoo.cfg sets zookeeper.snapCount after the options did; jute.maxbuffer it does not know.
    assert_eq!(config.files.snap_count, 7);
    assert_eq!(config.limits.jute_max_buffer, 0x50);
    assert_eq!(config.files.fsync_warning_ms, 20);
    assert!(config.notes[0].ends_with("-Xmx1g"), "{:?}", config.notes);
}

#[test]
fn values_are_trimmed_and_bad_numbers_of_properties_fall_back() {
    let config = with("tickTime= 2000 \nsnapCount=many\n").unwrap();
    assert_eq!(config.tick_time_ms, 2000);
    assert_eq!(config.files.snap_count, 100_000);
    assert!(config.warnings[0].contains("zoo.cfg, line 4: snapCount=many"));
}

#[test]
fn a_server_line_without_its_dot_is_warned_about() {
    let config = with("server1=pi-node13:2888:3888\n").unwrap();
    let warned = config.warnings.iter().any(|text| {
        text.contains("zoo.cfg, line 3") && text.contains("write server.1, with a dot")
    });
    assert!(warned, "{:?}", config.warnings);
}

#[test]
fn a_key_that_is_nearly_one_is_told() {
    for (line, key) in [
        ("maxClientCnxn=9", "maxClientCnxns"),
        ("autopurge.purgeIntervall=1", "autopurge.purgeInterval"),
        ("tickTme=1", "tickTime"),
    ] {
        let warnings = with(line).unwrap().warnings;
        let part = format!("has no effect: did you mean {key}?");
        assert!(warnings[0].starts_with("zoo.cfg, line 3: "), "{warnings:?}");
        assert!(warnings[0].contains(&part), "{warnings:?}");
    }
    for line in ["my.own.property=1", "ssl=1", "abc=1"] {
        assert_eq!(with(line).unwrap().warnings, Vec::<String>::new());
    }
    let error = config_of("datadir=/data", "", None).unwrap_err();
    assert!(error.contains("line 1: datadir is not a key"), "{error}");
}
