//! The JSON in Kafka's znodes, written as Java writes it and read as leniently as Java reads it.
//! Pure. Mirrors the `encode` and `decode` methods of kafka.zk.ZkData.

use std::collections::BTreeMap;

use proto::kafka::Uuid;
use serde_json::{Map, Value, json};

use crate::config::{EndPoint, SecurityProtocol};

/// What a broker leaves in /log_dir_event_notification when one of its directories has failed
/// (LogDirEventNotificationSequenceZNode).
pub fn encode_log_dir_event(broker: i32) -> Vec<u8> {
    const FAILURE: i32 = 1;
    format!("{{\"version\":1,\"broker\":{broker},\"event\":{FAILURE}}}").into_bytes()
}

/// A znode whose content is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read from {text:?}")]
pub struct JsonError {
    what: &'static str,
    text: String,
}

fn parse(what: &'static str, data: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(data).map_err(|_| error(what, data))
}

fn error(what: &'static str, data: &[u8]) -> JsonError {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&data[..data.len().min(SHOWN)]).into_owned();
    JsonError { what, text }
}

fn int(value: &Value) -> Option<i32> {
    match value {
        Value::Number(number) => number.as_i64().and_then(|n| n.try_into().ok()),
        _ => None,
    }
}

fn ints(value: &Value) -> Option<Vec<i32>> {
    value.as_array()?.iter().map(int).collect()
}

fn to_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A broker as /brokers/ids/N tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    pub end_points: Vec<EndPoint>,
    pub jmx_port: i32,
    pub rack: Option<String>,
    pub timestamp_ms: i64,
}

impl BrokerInfo {
    /// Version 5: `host` and `port` are the first PLAINTEXT end point, for clients before 0.9.
    pub fn encode(&self) -> Vec<u8> {
        let plaintext = self
            .end_points
            .iter()
            .find(|p| p.protocol == SecurityProtocol::Plaintext);
        let protocols: Map<String, Value> = self
            .end_points
            .iter()
            .map(|p| (p.name.clone(), p.protocol.to_string().into()))
            .collect();
        let points: Vec<String> = self.end_points.iter().map(ToString::to_string).collect();
        let mut json = json!({
            "features": {},
            "listener_security_protocol_map": protocols,
            "endpoints": points,
            "jmx_port": self.jmx_port,
            "port": plaintext.map_or(-1, |p| i32::from(p.port)),
            "host": plaintext.map(|p| p.host.as_str()),
            "version": 5,
            "timestamp": self.timestamp_ms.to_string(),
        });
        if let Some(rack) = &self.rack {
            json["rack"] = rack.as_str().into();
        }
        to_bytes(&json)
    }

    /// Every version from 1 on.
    pub fn decode(data: &[u8]) -> Result<Self, JsonError> {
        const WHAT: &str = "a broker's registration";
        let json = parse(WHAT, data)?;
        let version = json.get("version").and_then(int).unwrap_or(0);
        let end_points = match version {
            ..1 => None,
            1 => Self::v1_end_points(&json),
            _ => Self::end_points(&json),
        };
        let timestamp = match json.get("timestamp") {
            Some(Value::String(text)) => text.parse().unwrap_or(-1),
            Some(Value::Number(n)) => n.as_i64().unwrap_or(-1),
            _ => -1,
        };
        Ok(Self {
            end_points: end_points.ok_or_else(|| error(WHAT, data))?,
            jmx_port: json.get("jmx_port").and_then(int).unwrap_or(-1),
            rack: json.get("rack").and_then(Value::as_str).map(str::to_owned),
            timestamp_ms: timestamp,
        })
    }

    fn v1_end_points(json: &Value) -> Option<Vec<EndPoint>> {
        let host = json.get("host")?.as_str()?.to_owned();
        let port = int(json.get("port")?)?.try_into().ok()?;
        let (name, protocol) = ("PLAINTEXT".to_owned(), SecurityProtocol::Plaintext);
        Some(vec![EndPoint {
            name,
            host,
            port,
            protocol,
        }])
    }

    fn end_points(json: &Value) -> Option<Vec<EndPoint>> {
        let mut map = crate::config::default_protocol_map();
        if let Some(own) = json
            .get("listener_security_protocol_map")
            .and_then(Value::as_object)
        {
            for (name, protocol) in own {
                map.insert(
                    name.clone(),
                    SecurityProtocol::from_name(protocol.as_str()?)?,
                );
            }
        }
        let points = json.get("endpoints")?.as_array()?;
        points
            .iter()
            .map(|p| crate::config::parse_end_point(p.as_str()?, &map).ok())
            .collect()
    }
}

/// Replicas of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

/// A topic as /brokers/topics/T tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicAssignment {
    pub id: Option<Uuid>,
    pub partitions: BTreeMap<i32, Assignment>,
}

impl TopicAssignment {
    /// Version 3, with the id if there is one.
    pub fn encode(&self) -> Vec<u8> {
        let list = |of: fn(&Assignment) -> &Vec<i32>| {
            let all = self
                .partitions
                .iter()
                .map(|(index, a)| (index.to_string(), of(a)));
            all.map(|(index, ids)| (index, Value::from(ids.clone())))
                .collect::<Map<_, _>>()
        };
        let without_empty = |mut map: Map<String, Value>| {
            map.retain(|_, ids| ids.as_array().is_some_and(|ids| !ids.is_empty()));
            map
        };
        let mut json = json!({ "partitions": list(|a| &a.replicas) });
        if let Some(id) = self.id {
            json["topic_id"] = id.to_string().into();
        }
        json["adding_replicas"] = without_empty(list(|a| &a.adding)).into();
        json["removing_replicas"] = without_empty(list(|a| &a.removing)).into();
        json["version"] = 3.into();
        to_bytes(&json)
    }

    /// Versions 1 to 3; an id that cannot be read is an error, an absent one is not.
    pub fn decode(data: &[u8]) -> Result<Self, JsonError> {
        const WHAT: &str = "a topic's assignment";
        let json = parse(WHAT, data)?;
        let bad = || error(WHAT, data);
        let id = match json.get("topic_id").and_then(Value::as_str) {
            Some(text) => Some(text.parse().map_err(|_| bad())?),
            None => None,
        };
        let others = |key: &str, partition: &str| {
            json.get(key)
                .and_then(|map| map.get(partition))
                .and_then(ints)
                .unwrap_or_default()
        };
        let mut partitions = BTreeMap::new();
        for (name, replicas) in json
            .get("partitions")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let index = name
                .parse()
                .ok()
                .filter(|index: &i32| *index >= 0)
                .ok_or_else(bad)?;
            let assignment = Assignment {
                replicas: ints(replicas).ok_or_else(bad)?,
                adding: others("adding_replicas", name),
                removing: others("removing_replicas", name),
            };
            partitions.insert(index, assignment);
        }
        Ok(Self { id, partitions })
    }
}

/// A partition's leader as its state znode tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAndIsr {
    pub leader: i32,
    pub leader_epoch: i32,
    pub isr: Vec<i32>,
    pub controller_epoch: i32,
    /// 1 while the leader recovers from an unclean election (KIP-704)
    pub recovery: i8,
}

impl LeaderAndIsr {
    pub fn encode(&self) -> Vec<u8> {
        let mut json = json!({
            "controller_epoch": self.controller_epoch,
            "leader": self.leader,
            "version": 1,
            "leader_epoch": self.leader_epoch,
            "isr": self.isr,
        });
        if self.recovery != 0 {
            json["leader_recovery_state"] = self.recovery.into();
        }
        to_bytes(&json)
    }

    pub fn decode(data: &[u8]) -> Result<Self, JsonError> {
        const WHAT: &str = "a partition's state";
        let json = parse(WHAT, data)?;
        let number = |key: &str| json.get(key).and_then(int);
        let read = || {
            Some(Self {
                leader: number("leader")?,
                leader_epoch: number("leader_epoch")?,
                isr: ints(json.get("isr")?)?,
                controller_epoch: number("controller_epoch")?,
                recovery: i8::try_from(number("leader_recovery_state").unwrap_or(0)).ok()?,
            })
        };
        read().ok_or_else(|| error(WHAT, data))
    }
}

/// /controller, version 2.
pub fn encode_controller(id: i32, timestamp_ms: i64) -> Vec<u8> {
    to_bytes(&json!({
        "version": 2,
        "brokerid": id,
        "timestamp": timestamp_ms.to_string(),
        "kraftControllerEpoch": -1,
    }))
}

/// The broker that /controller names.
pub fn decode_controller(data: &[u8]) -> Result<i32, JsonError> {
    const WHAT: &str = "the controller's registration";
    parse(WHAT, data)?
        .get("brokerid")
        .and_then(int)
        .ok_or_else(|| error(WHAT, data))
}

/// /cluster/id.
pub fn encode_cluster_id(id: &str) -> Vec<u8> {
    to_bytes(&json!({ "version": "1", "id": id }))
}

pub fn decode_cluster_id(data: &[u8]) -> Result<String, JsonError> {
    const WHAT: &str = "the cluster id";
    let json = parse(WHAT, data)?;
    json.get("id")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| error(WHAT, data))
}

/// /config/*/NAME.
pub fn encode_config(config: &BTreeMap<String, String>) -> Vec<u8> {
    to_bytes(&json!({ "version": 1, "config": config }))
}

/// Nothing and nonsense give no configuration, as in Java.
pub fn decode_config(data: &[u8]) -> BTreeMap<String, String> {
    let json: Value = serde_json::from_slice(data).unwrap_or_default();
    let config = json.get("config").and_then(Value::as_object);
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    config
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

/// A sequence znode in /config/changes.
pub fn encode_config_change(entity_path: &str) -> Vec<u8> {
    to_bytes(&json!({ "version": 2, "entity_path": entity_path }))
}

/// The entity that changed, as `topics/NAME`: version 2 says so, version 1 in two keys.
pub fn decode_config_change(data: &[u8]) -> Result<String, JsonError> {
    const WHAT: &str = "a configuration change";
    let json = parse(WHAT, data)?;
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let entity = match json.get("version").and_then(int) {
        Some(1) => text("entity_type")
            .zip(text("entity_name"))
            .map(|(t, name)| format!("{t}/{name}")),
        _ => text("entity_path").map(str::to_owned),
    };
    entity.ok_or_else(|| error(WHAT, data))
}

/// /feature, version 2, enabled, without finalized features.
pub fn encode_feature() -> Vec<u8> {
    to_bytes(&json!({ "features": {}, "version": 2, "status": 1 }))
}

/// Partitions in /admin/preferred_replica_election and in /isr_change_notification.
pub fn decode_partitions(data: &[u8]) -> Result<Vec<(String, i32)>, JsonError> {
    const WHAT: &str = "a list of partitions";
    let json = parse(WHAT, data)?;
    let read = |entry: &Value| {
        Some((
            entry.get("topic")?.as_str()?.to_owned(),
            int(entry.get("partition")?)?,
        ))
    };
    let list = json
        .get("partitions")
        .and_then(Value::as_array)
        .ok_or_else(|| error(WHAT, data))?;
    list.iter()
        .map(read)
        .collect::<Option<_>>()
        .ok_or_else(|| error(WHAT, data))
}

/// The broker in a znode of /log_dir_event_notification.
pub fn decode_log_dir_event(data: &[u8]) -> Result<i32, JsonError> {
    const WHAT: &str = "a log directory event";
    parse(WHAT, data)?
        .get("broker")
        .and_then(int)
        .ok_or_else(|| error(WHAT, data))
}

/// A block of producer ids: first and last.
pub fn encode_producer_id_block(broker: i32, first: i64, last: i64) -> Vec<u8> {
    to_bytes(&json!({
        "version": 1,
        "broker": broker,
        "block_start": first.to_string(),
        "block_end": last.to_string(),
    }))
}

pub fn decode_producer_id_block(data: &[u8]) -> Result<(i32, i64, i64), JsonError> {
    const WHAT: &str = "a block of producer ids";
    let json = parse(WHAT, data)?;
    let number = |key: &str| match json.get(key) {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(n)) => n.as_i64(),
        _ => None,
    };
    let read = || {
        Some((
            int(json.get("broker")?)?,
            number("block_start")?,
            number("block_end")?,
        ))
    };
    read().ok_or_else(|| error(WHAT, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_every_version_are_read() {
        let v1 =
            TopicAssignment::decode(br#"{"version":1,"partitions":{"1":[2,0],"0":[1]}}"#).unwrap();
        assert_eq!(v1.id, None);
        assert_eq!(v1.partitions[&1].replicas, [2, 0]);
        let mut v3 = v1.clone();
        v3.id = Some(Uuid([7; 16]));
        assert_eq!(TopicAssignment::decode(&v3.encode()).unwrap(), v3);
        for bad in [
            "",
            "[]x",
            r#"{"partitions":{"x":[1]}}"#,
            r#"{"partitions":{"0":["a"]}}"#,
        ] {
            assert!(TopicAssignment::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn brokers_of_every_version_are_read() {
        let v1 = br#"{"jmx_port":-1,"timestamp":"1","host":"h","version":1,"port":9}"#;
        assert_eq!(
            BrokerInfo::decode(v1).unwrap().end_points[0].to_string(),
            "PLAINTEXT://h:9"
        );
        let v4 = br#"{"listener_security_protocol_map":{"IN":"PLAINTEXT"},"endpoints":["IN://h:9"],
            "rack":"r","jmx_port":-1,"port":9,"host":"h","version":4,"timestamp":"1"}"#;
        let v4 = BrokerInfo::decode(v4).unwrap();
        assert_eq!(v4.rack.as_deref(), Some("r"));
        assert_eq!(BrokerInfo::decode(&v4.encode()).unwrap(), v4);
        assert!(BrokerInfo::decode(br#"{"version":0}"#).is_err());
    }

    #[test]
    fn states_and_changes_are_read() {
        let state = LeaderAndIsr {
            leader: 1,
            leader_epoch: 2,
            isr: vec![1],
            controller_epoch: 3,
            recovery: 0,
        };
        assert_eq!(LeaderAndIsr::decode(&state.encode()).unwrap(), state);
        assert!(LeaderAndIsr::decode(b"{}").is_err());
        let v1 = br#"{"version":1,"entity_type":"topics","entity_name":"t"}"#;
        assert_eq!(decode_config_change(v1).unwrap(), "topics/t");
        assert_eq!(
            decode_config_change(&encode_config_change("topics/t")).unwrap(),
            "topics/t"
        );
    }
}
