//! AlterConfigs and IncrementalAlterConfigs of topics and brokers: checked here, written to
//! /config, and in force when the notification comes round. Mirrors ZkAdminManager.alterConfigs
//! and incrementalAlterConfigs.

use std::collections::BTreeMap;

use proto::kafka::messages::{alter_configs as whole, incremental_alter_configs as steps};
use proto::kafka::{ErrorCode, Str};

use super::describe_configs::{BROKER, TOPIC, check_broker};
use super::topics::{self, Refused};
use super::{Call, Handled};
use crate::config::def::{Kind, Standing, Update};
use crate::config::{KafkaConfig, TopicConfig, keys};
use crate::zk::paths::DEFAULT_ENTITY;

type Configs = BTreeMap<String, String>;

pub(super) fn handle(call: Call, request: whole::AlterConfigsRequest) -> Handled {
    Handled::later(async move {
        let mut responses = Vec::new();
        for resource in &request.resources {
            let done = replace(&call, resource, request.validate_only).await;
            let (error_code, error_message) = told(done);
            responses.push(whole::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..Default::default()
            });
        }
        call.answer(&whole::AlterConfigsResponse {
            responses,
            ..Default::default()
        })
    })
}

pub(super) fn handle_incremental(
    call: Call,
    request: steps::IncrementalAlterConfigsRequest,
) -> Handled {
    Handled::later(async move {
        let mut responses = Vec::new();
        for resource in &request.resources {
            let done = change(&call, resource, request.validate_only).await;
            let (error_code, error_message) = told(done);
            responses.push(steps::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..Default::default()
            });
        }
        call.answer(&steps::IncrementalAlterConfigsResponse {
            responses,
            ..Default::default()
        })
    })
}

fn told(done: Result<(), Refused>) -> (ErrorCode, Option<Str>) {
    match done {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, why)) => (code, (!why.is_empty()).then(|| why.as_str().into())),
    }
}

async fn replace(
    call: &Call,
    resource: &whole::AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    let mut configs = Configs::new();
    for config in &resource.configs {
        let Some(value) = &config.value else {
            let why = format!("Null value not supported for : {}", &*config.name);
            return Err((ErrorCode::INVALID_REQUEST, why));
        };
        if configs
            .insert(config.name.to_string(), value.to_string())
            .is_some()
        {
            return Err((
                ErrorCode::INVALID_REQUEST,
                "Error due to duplicate config keys".to_owned(),
            ));
        }
    }
    let entity = entity(call, resource.resource_type, &resource.resource_name)?;
    store(call, &entity, configs, validate_only).await
}

async fn change(
    call: &Call,
    resource: &steps::AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    let entity = entity(call, resource.resource_type, &resource.resource_name)?;
    let mut configs = call
        .broker
        .zk
        .read_config(&entity)
        .await
        .map_err(|e| topics::zk_failed(&e))?;
    let mut seen = std::collections::HashSet::new();
    for step in &resource.configs {
        if !seen.insert(&step.name) {
            return Err((
                ErrorCode::INVALID_REQUEST,
                "Error due to duplicate config keys".to_owned(),
            ));
        }
        apply(call, &entity, &mut configs, step)?;
    }
    store(call, &entity, configs, validate_only).await
}

/// One step: set, delete, append to or subtract from a list.
fn apply(
    call: &Call,
    entity: &str,
    configs: &mut Configs,
    step: &steps::AlterableConfig,
) -> Result<(), Refused> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let name = step.name.to_string();
    if step.config_operation == DELETE {
        configs.remove(&name);
        return Ok(());
    }
    let Some(value) = &step.value else {
        return Err((
            ErrorCode::INVALID_REQUEST,
            format!("Null value not supported for : {name}"),
        ));
    };
    match step.config_operation {
        SET => {
            configs.insert(name, value.to_string());
        }
        APPEND | SUBTRACT => {
            let topic = keys::topic_key(&name).filter(|_| entity.starts_with("topics/"));
            let key = topic
                .map(|topic| &topic.key)
                .or_else(|| keys::broker_key(&name));
            if key.is_none_or(|key| key.kind != Kind::List) {
                let why = format!("Config value append is not allowed for config key: {name}");
                return Err((ErrorCode::INVALID_CONFIG, why));
            }
            let inherited = || match topic {
                Some(_) => inherited_list(call, &name),
                None => call
                    .broker
                    .config()
                    .settings
                    .text(&name)
                    .map(|(text, _)| text.to_owned()),
            };
            let now = configs
                .get(&name)
                .cloned()
                .or_else(inherited)
                .unwrap_or_default();
            let mut list: Vec<&str> = now
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .collect();
            let items: Vec<&str> = value.split(',').map(str::trim).collect();
            if step.config_operation == APPEND {
                list.extend(
                    items
                        .iter()
                        .filter(|item| !list.contains(item))
                        .copied()
                        .collect::<Vec<_>>(),
                );
            } else {
                list.retain(|item| !items.contains(item));
            }
            configs.insert(name, list.join(","));
        }
        other => {
            return Err((
                ErrorCode::INVALID_REQUEST,
                format!("Unknown operation {other}"),
            ));
        }
    }
    Ok(())
}

fn inherited_list(call: &Call, name: &str) -> Option<String> {
    let described =
        crate::config::describe::describe_topic(&call.broker.config().settings, &Configs::new());
    described
        .into_iter()
        .find(|entry| entry.name == name)?
        .value
}

/// The path below /config of what is to be changed.
fn entity(call: &Call, kind: i8, name: &str) -> Result<String, Refused> {
    match kind {
        TOPIC => {
            topics::check_name(name)?;
            if call.broker.metadata.load().topic(name).is_none() {
                let why = format!("The topic '{name}' does not exist.");
                return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
            }
            Ok(format!("topics/{name}"))
        }
        BROKER if name.is_empty() => Ok(format!("brokers/{DEFAULT_ENTITY}")),
        BROKER => {
            check_broker(call, name)?;
            Ok(format!("brokers/{name}"))
        }
        other => {
            let why = format!(
                "AlterConfigs is only supported for topics and brokers, but resource type is {other}"
            );
            Err((ErrorCode::INVALID_REQUEST, why))
        }
    }
}

async fn store(
    call: &Call,
    entity: &str,
    configs: Configs,
    validate_only: bool,
) -> Result<(), Refused> {
    if entity.starts_with("topics/") {
        TopicConfig::validate(&configs).map_err(|why| (ErrorCode::INVALID_CONFIG, why))?;
    } else {
        check_dynamic(call, entity, &configs)?;
    }
    if validate_only {
        return Ok(());
    }
    call.broker
        .zk
        .set_config(entity, &configs)
        .await
        .map_err(|e| topics::zk_failed(&e))
}

/// What may change while a broker runs, and whether it fits the rest.
fn check_dynamic(call: &Call, entity: &str, configs: &Configs) -> Result<(), Refused> {
    let default = entity.ends_with(DEFAULT_ENTITY);
    let settings = &call.broker.config().settings;
    let stored = match default {
        true => settings.dynamic_default(),
        false => settings.dynamic_broker(),
    };
    for (name, value) in configs {
        let Some(key) = keys::broker_key(name) else {
            continue;
        };
        let why = match key.update {
            Update::ReadOnly | Update::Topic => {
                format!("Cannot update these configs dynamically: {name}")
            }
            Update::PerBroker if default => {
                format!(
                    "Cannot update these configs at default cluster level, broker id must be specified: {name}"
                )
            }
            _ if key.kind == Kind::Password => {
                format!("Passwords cannot be kept in ZooKeeper by this version: {name}")
            }
            // what a Java broker has left there may stay
            _ if stored.get(name) == Some(value) => continue,
            _ => match (key.standing, key.standing.note()) {
                (Standing::Security | Standing::JavaClass, Some(note)) if !value.is_empty() => {
                    format!("{name} cannot be set: it {note}")
                }
                _ => continue,
            },
        };
        return Err((ErrorCode::INVALID_REQUEST, why));
    }
    let next = if default {
        settings.with_dynamic(configs.clone(), settings.dynamic_broker().clone())
    } else {
        settings.with_dynamic(settings.dynamic_default().clone(), configs.clone())
    };
    KafkaConfig::new(next)
        .map(drop)
        .map_err(|e| (ErrorCode::INVALID_REQUEST, e.to_string()))
}
