//! AlterConfigs and IncrementalAlterConfigs of topics and brokers: checked here, written to
//! /config, and in force when the notification comes round. Mirrors ZkAdminManager.alterConfigs
//! and incrementalAlterConfigs.

use std::collections::{BTreeMap, HashMap, HashSet};

use proto::kafka::messages::{alter_configs as whole, incremental_alter_configs as steps};
use proto::kafka::{ErrorCode, Str};

use super::describe_configs::{BROKER, TOPIC};
use super::topics::{self, Refused};
use super::{Call, Handled};
use crate::config::def::{Key, Kind, Standing, Update, Value};
use crate::config::{KafkaConfig, Settings, TopicConfig, TopicRefusal, keys};
use crate::zk::paths::DEFAULT_ENTITY;

type Configs = BTreeMap<String, String>;

/// What is to become of one resource.
struct Change<'a> {
    kind: i8,
    name: &'a str,
    steps: Vec<Step<'a>>,
    /// the steps are all that is to be left
    replaces: bool,
    validate_only: bool,
}

struct Step<'a> {
    name: &'a str,
    operation: Operation,
    value: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
    Unknown(i8),
}

impl Operation {
    fn of(number: i8) -> Self {
        match number {
            0 => Self::Set,
            1 => Self::Delete,
            2 => Self::Append,
            3 => Self::Subtract,
            other => Self::Unknown(other),
        }
    }
}

pub(super) fn handle(call: Call, request: whole::AlterConfigsRequest) -> Handled {
    Handled::later(async move {
        let resources = request.resources.iter();
        let changes = resources.map(|resource| whole_change(resource, request.validate_only));
        let done = alter_all(&call, changes.collect()).await;
        let mut response = whole::AlterConfigsResponse::default();
        for (resource, done) in request.resources.iter().zip(done) {
            let (error_code, error_message) = told(done);
            response
                .responses
                .push(whole::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..Default::default()
                });
        }
        call.answer(&response)
    })
}

fn whole_change(resource: &whole::AlterConfigsResource, validate_only: bool) -> Change<'_> {
    let mut steps = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        steps.push(Step {
            name: &config.name,
            operation: Operation::Set,
            value: config.value.as_deref(),
        });
    }
    Change {
        kind: resource.resource_type,
        name: &resource.resource_name,
        steps,
        replaces: true,
        validate_only,
    }
}

pub(super) fn handle_incremental(
    call: Call,
    request: steps::IncrementalAlterConfigsRequest,
) -> Handled {
    Handled::later(async move {
        let resources = request.resources.iter();
        let changes = resources.map(|resource| step_change(resource, request.validate_only));
        let done = alter_all(&call, changes.collect()).await;
        let mut response = steps::IncrementalAlterConfigsResponse::default();
        for (resource, done) in request.resources.iter().zip(done) {
            let (error_code, error_message) = told(done);
            response
                .responses
                .push(steps::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone(),
                    ..Default::default()
                });
        }
        call.answer(&response)
    })
}

fn step_change(resource: &steps::AlterConfigsResource, validate_only: bool) -> Change<'_> {
    let mut steps = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        steps.push(Step {
            name: &config.name,
            operation: Operation::of(config.config_operation),
            value: config.value.as_deref(),
        });
    }
    Change {
        kind: resource.resource_type,
        name: &resource.resource_name,
        steps,
        replaces: false,
        validate_only,
    }
}

fn told(done: Result<(), Refused>) -> (ErrorCode, Option<Str>) {
    match done {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, why)) => (code, (!why.is_empty()).then(|| why.as_str().into())),
    }
}

fn invalid(why: impl Into<String>) -> Refused {
    (ErrorCode::INVALID_REQUEST, why.into())
}

/// Each resource by itself; those that are named twice are refused.
async fn alter_all(call: &Call, changes: Vec<Change<'_>>) -> Vec<Result<(), Refused>> {
    let mut count: HashMap<(i8, &str), usize> = HashMap::new();
    for change in &changes {
        *count.entry((change.kind, change.name)).or_default() += 1;
    }
    let mut done = Vec::with_capacity(changes.len());
    let mut patience = topics::Patience::new(topics::Patience::UNSAID_MS);
    for change in &changes {
        done.push(match count.get(&(change.kind, change.name)) {
            Some(1) => patience.limit(alter(call, change)).await,
            _ => Err(invalid("Each resource must appear at most once.")),
        });
    }
    done
}

async fn alter(call: &Call, change: &Change<'_>) -> Result<(), Refused> {
    let mut names = HashSet::new();
    if !change.steps.iter().all(|step| names.insert(step.name)) {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let needs = |step: &&Step| step.operation != Operation::Delete && step.value.is_none();
    let null: Vec<&str> = change.steps.iter().filter(needs).map(|s| s.name).collect();
    if !null.is_empty() {
        let why = format!("Null value not supported for : {}", null.join(", "));
        return Err(invalid(why));
    }
    let (entity, configs) = match change.kind {
        TOPIC => topic(call, change).await?,
        BROKER => broker(call, change).await?,
        other => return Err(invalid(format!("Unknown resource type {other}"))),
    };
    if change.validate_only {
        return Ok(());
    }
    let set = call.broker.zk.set_config(&entity, &configs).await;
    set.map_err(|e| topics::zk_failed(&e))
}

/// Where below /config it belongs, and what is to stand there.
async fn topic(call: &Call, change: &Change<'_>) -> Result<(String, Configs), Refused> {
    if change.name.is_empty() {
        return Err(invalid("Default topic resources are not allowed."));
    }
    let known = call.broker.metadata.load().topic(change.name).is_some();
    let entity = format!("topics/{}", change.name);
    let mut configs = Configs::new();
    if known && !change.replaces {
        configs = stored(call, &entity).await?;
    }
    let key = |name: &str| keys::topic_key(name).map(|topic| &topic.key);
    apply(&change.steps, &mut configs, key)?;
    if !known {
        let why = format!("The topic '{}' does not exist.", change.name);
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
    }
    TopicConfig::validate(&configs).map_err(|refusal| {
        let why = match refusal {
            TopicRefusal::Whole(why) => why,
            TopicRefusal::Value(why) => format!(
                "Invalid config value for resource ConfigResource(type=TOPIC, name='{}'): {why}",
                change.name
            ),
        };
        (ErrorCode::INVALID_CONFIG, why)
    })?;
    Ok((entity, configs))
}

async fn broker(call: &Call, change: &Change<'_>) -> Result<(String, Configs), Refused> {
    let entity = match change.name {
        "" => DEFAULT_ENTITY,
        name => {
            check_node(call, name)?;
            name
        }
    };
    let entity = format!("brokers/{entity}");
    let mut configs = Configs::new();
    if !change.replaces {
        configs = stored(call, &entity).await?;
    }
    apply(&change.steps, &mut configs, keys::broker_key)?;
    check_dynamic(call, change.name.is_empty(), &configs)?;
    Ok((entity, configs))
}

async fn stored(call: &Call, entity: &str) -> Result<Configs, Refused> {
    let read = call.broker.zk.read_config(entity).await;
    read.map_err(|e| topics::zk_failed(&e))
}

/// Only a broker itself knows what it can change.
fn check_node(call: &Call, name: &str) -> Result<(), Refused> {
    match name.parse::<i32>() {
        Ok(id) if id == call.broker.id => Ok(()),
        Ok(_) => Err(invalid(format!(
            "Unexpected broker id, expected {}, but received {name}",
            call.broker.id
        ))),
        Err(_) => Err(invalid(format!(
            "Node id must be an integer, but it is: {name}"
        ))),
    }
}

fn apply(
    steps: &[Step],
    configs: &mut Configs,
    key: impl Fn(&str) -> Option<&'static Key>,
) -> Result<(), Refused> {
    for step in steps {
        let value = step.value.unwrap_or_default();
        match step.operation {
            Operation::Set => {
                configs.insert(step.name.to_owned(), value.to_owned());
            }
            Operation::Delete => {
                configs.remove(step.name);
            }
            Operation::Append | Operation::Subtract => {
                let list = changed_list(step, value, configs.get(step.name), key(step.name))?;
                configs.insert(step.name.to_owned(), list);
            }
            Operation::Unknown(number) => {
                return Err(invalid(format!("Unknown operations type {number}")));
            }
        }
    }
    Ok(())
}

/// A list with more or fewer elements; the one that stands there, or the key's default.
fn changed_list(
    step: &Step,
    value: &str,
    now: Option<&String>,
    key: Option<&Key>,
) -> Result<String, Refused> {
    let adds = step.operation == Operation::Append;
    let Some(key) = key else {
        let why = format!("Unknown config name: {}", step.name);
        return Err((ErrorCode::INVALID_CONFIG, why));
    };
    if key.kind != Kind::List {
        let what = if adds { "append" } else { "subtract" };
        let name = step.name;
        let why = format!("Config value {what} is not allowed for config key: {name}");
        return Err((ErrorCode::INVALID_CONFIG, why));
    }
    let now = now.map(String::as_str).or(key.default).unwrap_or_default();
    let mut list: Vec<&str> = now.split(',').filter(|item| !item.is_empty()).collect();
    let items: Vec<&str> = value.split(',').collect();
    if adds {
        let had = list.clone();
        list.extend(items.iter().filter(|item| !had.contains(item)));
    } else {
        for item in items {
            if let Some(at) = list.iter().position(|one| *one == item) {
                list.remove(at);
            }
        }
    }
    Ok(list.join(","))
}

/// What may change while a broker runs, and whether it fits the rest.
fn check_dynamic(call: &Call, default: bool, configs: &Configs) -> Result<(), Refused> {
    let config = call.broker.config();
    let settings = &config.settings;
    let names = |wrong: &dyn Fn(&Key) -> bool| {
        let names = configs.keys();
        let names = names.filter(|name| keys::broker_key(name).is_some_and(wrong));
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    // as Scala prints what it found
    let set = |names: String| match names.is_empty() {
        true => names,
        false => format!("Set({names})"),
    };
    let refuse = |why: &str, names: String| match names.is_empty() {
        true => Ok(()),
        false => Err(invalid(format!("{why}: {names}"))),
    };
    let fixed = |key: &Key| matches!(key.update, Update::ReadOnly | Update::Topic);
    refuse(
        "Cannot update these configs dynamically",
        set(names(&fixed)),
    )?;
    let of_listeners = |key: &Key| key.update == Update::PerBroker && key.name.starts_with("ssl.");
    refuse(
        "These security configs can be dynamically updated only per-listener using the listener prefix",
        set(names(&of_listeners)).replace("Set(", "HashSet("),
    )?;
    for (name, text) in configs {
        if let Some(why) = keys::broker_key(name).and_then(|key| key.refusal(text)) {
            return Err(invalid(why));
        }
    }
    let of_brokers = |key: &Key| default && key.update == Update::PerBroker;
    refuse(
        "Cannot update these configs at default cluster level, broker id must be specified",
        set(names(&of_brokers)),
    )?;
    check_served(settings, default, configs)?;
    let next = if default {
        settings.with_dynamic(configs.clone(), settings.dynamic_broker().clone())
    } else {
        settings.with_dynamic(settings.dynamic_default().clone(), configs.clone())
    };
    check_pools(settings, &next)?;
    let next = KafkaConfig::new(next);
    next.map(drop).map_err(|e| invalid(e.to_string()))
}

/// What this broker would not do although it is asked to keep something safe.
fn check_served(settings: &Settings, default: bool, configs: &Configs) -> Result<(), Refused> {
    let stored = match default {
        true => settings.dynamic_default(),
        false => settings.dynamic_broker(),
    };
    for (name, value) in configs {
        let Some(key) = keys::broker_key(name) else {
            continue;
        };
        if key.kind == Kind::Password {
            let why = "Passwords cannot be kept in ZooKeeper by this version";
            return Err(invalid(format!("{why}: {name}")));
        }
        // what a Java broker has left there may stay
        if stored.get(name) == Some(value) || value.is_empty() {
            continue;
        }
        if let (Standing::Security | Standing::JavaClass, Some(note)) =
            (key.standing, key.standing.note())
        {
            return Err(invalid(format!("{name} cannot be set: it {note}")));
        }
    }
    Ok(())
}

/// The pools of threads that change by half at most, and to the double at most
/// (DynamicThreadPool.validateReconfiguration, LogCleaner.validateReconfiguration).
fn check_pools(now: &Settings, next: &Settings) -> Result<(), Refused> {
    const POOLS: [&str; 5] = [
        "num.io.threads",
        "num.network.threads",
        "num.replica.fetchers",
        "num.recovery.threads.per.data.dir",
        "background.threads",
    ];
    const CLEANER: &str = "log.cleaner.threads";
    for name in POOLS.into_iter().chain([CLEANER]) {
        let number = |settings: &Settings| {
            let value = settings.value(keys::broker_key(name)?).ok()??;
            match value {
                Value::Number(number) => Some(number),
                _ => None,
            }
        };
        let (Some(old), Some(new)) = (number(now), number(next)) else {
            continue;
        };
        let problem = match name {
            CLEANER if new < old / 2 => format!(
                "Log cleaner threads cannot be reduced to less than half the current value {old}"
            ),
            CLEANER if new > old.saturating_mul(2) => format!(
                "Log cleaner threads cannot be increased to more than double the current value {old}"
            ),
            CLEANER => continue,
            _ => {
                let bound = if new < old / 2 {
                    "be at least half"
                } else if new > old.saturating_mul(2) {
                    "not be greater than double"
                } else {
                    continue;
                };
                format!(
                    "Dynamic thread count update validation failed for {name}={new}, value should {bound} the current value {old}"
                )
            }
        };
        // Java takes its own words for a key and the cause for a value
        return Err(invalid(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {problem} for configuration Invalid dynamic configuration"
        )));
    }
    Ok(())
}
