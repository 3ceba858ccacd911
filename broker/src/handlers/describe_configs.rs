//! DescribeConfigs of topics and brokers. Mirrors kafka.server.ConfigHelper.

use proto::kafka::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use proto::kafka::{ErrorCode, Str};

use super::topics::{self, Refused};
use super::{Call, Handled};
use crate::config::describe::{
    Described, describe_broker, describe_cluster_default, describe_topic,
};

/// Resource types (ConfigResource.Type).
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

pub(super) fn handle(call: Call, request: DescribeConfigsRequest) -> Handled {
    let results = request
        .resources
        .iter()
        .map(|resource| describe(&call, &request, resource));
    let response = DescribeConfigsResponse {
        results: results.collect(),
        ..DescribeConfigsResponse::default()
    };
    call.now(&response)
}

fn describe(
    call: &Call,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> DescribeConfigsResult {
    let mut result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        ..DescribeConfigsResult::default()
    };
    match entries(call, resource) {
        Ok(entries) => {
            result.error_message = Some(Str::EMPTY);
            let wanted = |entry: &Described| match &resource.configuration_keys {
                Some(keys) if !keys.is_empty() => keys.iter().any(|key| **key == *entry.name),
                _ => true,
            };
            let shown = entries.into_iter().filter(wanted);
            result.configs = shown
                .map(|entry| in_version(call.api_version, request, entry))
                .collect();
        }
        Err((error_code, why)) => {
            result.error_code = error_code;
            result.error_message = Some(why.as_str().into());
        }
    }
    result
}

fn entries(call: &Call, resource: &DescribeConfigsResource) -> Result<Vec<Described>, Refused> {
    let config = call.broker.config();
    let name = &*resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            topics::check_name(name)?;
            if call.broker.metadata.load().topic(name).is_none() {
                return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
            }
            Ok(describe_topic(
                &config.settings,
                &call.broker.topic_overrides(name),
            ))
        }
        BROKER if name.is_empty() => Ok(describe_cluster_default(&config.settings)),
        BROKER => {
            check_broker(call, name)?;
            Ok(describe_broker(&config.settings))
        }
        other => Err((
            ErrorCode::INVALID_REQUEST,
            format!("Unsupported resource type: {other}"),
        )),
    }
}

/// Only a broker itself knows its configuration.
fn check_broker(call: &Call, name: &str) -> Result<(), Refused> {
    let why = match name.parse::<i32>() {
        Ok(id) if id == call.broker.id => return Ok(()),
        Ok(_) => format!(
            "Unexpected broker id, expected {} or empty string, but received {name}",
            call.broker.id
        ),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err((ErrorCode::INVALID_REQUEST, why))
}

fn in_version(
    version: i16,
    request: &DescribeConfigsRequest,
    entry: Described,
) -> DescribeConfigsResourceResult {
    const STATIC: i8 = 4;
    const DEFAULT: i8 = 5;
    let synonyms = entry
        .synonyms
        .into_iter()
        .map(|synonym| DescribeConfigsSynonym {
            name: synonym.name.as_str().into(),
            value: synonym.value.as_deref().map(Str::from),
            source: synonym.source,
            ..DescribeConfigsSynonym::default()
        });
    // version 0 called everything a default that the file or Kafka says of a topic
    let is_default = entry.source == DEFAULT
        || (entry.source == STATIC
            && request
                .resources
                .iter()
                .any(|resource| resource.resource_type == TOPIC));
    DescribeConfigsResourceResult {
        name: entry.name.as_str().into(),
        value: entry.value.as_deref().map(Str::from),
        read_only: entry.read_only,
        is_default: version == 0 && is_default,
        config_source: entry.source,
        is_sensitive: entry.is_sensitive,
        synonyms: if request.include_synonyms {
            synonyms.collect()
        } else {
            Vec::new()
        },
        config_type: entry.kind,
        documentation: request
            .include_documentation
            .then(|| entry.documentation.into()),
        ..DescribeConfigsResourceResult::default()
    }
}
