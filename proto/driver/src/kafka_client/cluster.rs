//! A cluster as its clients see it: bootstrap addresses, brokers by id, leaders, coordinators.

use std::collections::HashMap;
use std::time::Duration;

use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
};
use proto::kafka::{ErrorCode, Request, Str};

use super::connection::{CallError, Connection, Options};

/// Connections to the brokers of one cluster, opened as they are needed.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: Vec<(String, u16)>,
    options: Options,
    /// by broker id; -1 is the bootstrap connection
    connections: HashMap<i32, Connection>,
    brokers: Vec<MetadataResponseBroker>,
    controller_id: i32,
}

const BOOTSTRAP: i32 = -1;

/// Why an address list can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid url in bootstrap.servers: {0}")]
pub struct AddressError(pub String);

/// Reads `host:port,host:port`; `[v6]:port` too, and a scheme in front as in `listeners`.
pub fn parse_addresses(list: &str) -> Result<Vec<(String, u16)>, AddressError> {
    let mut addresses = Vec::new();
    for item in list.split(',').map(str::trim).filter(|s| !s.is_empty()) {
        let bare = item.split_once("://").map_or(item, |(_, rest)| rest);
        let parsed = bare.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host.to_owned(), port.parse().ok()?)).filter(|(h, _)| !h.is_empty())
        });
        addresses.push(parsed.ok_or_else(|| AddressError(item.to_owned()))?);
    }
    if addresses.is_empty() {
        return Err(AddressError(list.to_owned()));
    }
    Ok(addresses)
}

impl Cluster {
    pub fn new(bootstrap: Vec<(String, u16)>, options: Options) -> Self {
        Self {
            bootstrap,
            options,
            connections: HashMap::new(),
            brokers: Vec::new(),
            controller_id: -1,
        }
    }

    /// Any broker: the first of the bootstrap addresses that answers.
    pub async fn any(&mut self) -> Result<Connection, CallError> {
        if let Some(open) = self.connections.get(&BOOTSTRAP).filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        let mut last = None;
        for (host, port) in self.bootstrap.clone() {
            match Connection::connect(&host, port, self.options.clone()).await {
                Ok(connection) => {
                    self.connections.insert(BOOTSTRAP, connection.clone());
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| CallError::Closed("no bootstrap address".to_owned())))
    }

    /// The same, trying on until `patience` ends (Java: `default.api.timeout.ms` of admin clients).
    pub async fn any_within(&mut self, patience: Duration) -> Result<Connection, CallError> {
        let mut last = None;
        let tries = async {
            let mut pause = Duration::from_millis(50);
            loop {
                match self.any().await {
                    Ok(connection) => return connection,
                    Err(error) if last.is_none() => {
                        tracing::warn!("{error}; trying on for {} ms", patience.as_millis());
                        last = Some(error);
                    }
                    Err(error) => last = Some(error),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        };
        match tokio::time::timeout(patience, tries).await {
            Ok(connection) => Ok(connection),
            Err(_) => Err(CallError::NoBroker {
                after: patience,
                last: last.map(Box::new),
            }),
        }
    }

    /// Brokers as the last [`Self::metadata`] told them.
    pub fn brokers(&self) -> &[MetadataResponseBroker] {
        &self.brokers
    }

    /// The broker with this id, as the last metadata told its address.
    pub async fn broker(&mut self, id: i32) -> Result<Connection, CallError> {
        if let Some(open) = self.connections.get(&id).filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        let node = self.brokers.iter().find(|b| b.node_id == id);
        let Some((host, port)) = node.map(|b| (b.host.clone(), b.port)) else {
            return Err(CallError::Closed(format!("broker {id}")));
        };
        self.connect_to(id, &host, port).await
    }

    async fn connect_to(
        &mut self,
        id: i32,
        host: &str,
        port: i32,
    ) -> Result<Connection, CallError> {
        let port = u16::try_from(port).unwrap_or(0);
        let connection = Connection::connect(host, port, self.options.clone()).await?;
        self.connections.insert(id, connection.clone());
        Ok(connection)
    }

    /// The controller, for requests that change topics.
    pub async fn controller(&mut self) -> Result<Connection, CallError> {
        if self.brokers.is_empty() {
            self.metadata(Some(&[])).await?;
        }
        match self.controller_id {
            id if id >= 0 => self.broker(id).await,
            _ => self.any().await,
        }
    }

    /// Asks for the given topics, or for all. Does not create them.
    pub async fn metadata(
        &mut self,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, CallError> {
        self.ask_metadata(topics, false).await
    }

    /// As [`Self::metadata`], and a broker with `auto.create.topics.enable` makes what is missing.
    pub async fn metadata_creating(
        &mut self,
        topics: &[&str],
    ) -> Result<MetadataResponse, CallError> {
        self.ask_metadata(Some(topics), true).await
    }

    async fn ask_metadata(
        &mut self,
        topics: Option<&[&str]>,
        create: bool,
    ) -> Result<MetadataResponse, CallError> {
        let connection = self.any().await?;
        let version = connection.version_of::<MetadataRequest>()?;
        let named = |names: &[&str]| {
            let topic = |name: &&str| MetadataRequestTopic {
                name: Some(Str::from(*name)),
                ..MetadataRequestTopic::default()
            };
            names.iter().map(topic).collect::<Vec<_>>()
        };
        let request = MetadataRequest {
            // In version 0 all topics are an empty list.
            topics: match topics {
                None if version == 0 => Some(Vec::new()),
                other => other.map(named),
            },
            allow_auto_topic_creation: create || version < 4,
            ..MetadataRequest::default()
        };
        let response = connection.call_in(version, &request).await?;
        self.brokers.clone_from(&response.brokers);
        self.controller_id = response.controller_id;
        Ok(response)
    }

    /// The coordinator of a group, asked for again while it is being found; the error code and
    /// message of the last answer when `patience` ends.
    pub async fn coordinator(
        &mut self,
        group: &str,
        patience: Duration,
    ) -> Result<Result<Connection, (ErrorCode, String)>, CallError> {
        let step = Duration::from_millis(100);
        let mut waited = Duration::ZERO;
        loop {
            let (error, message, node) = self.ask_coordinator(group).await?;
            if error == ErrorCode::NONE {
                let (id, host, port) = node;
                if let Some(open) = self.connections.get(&id).filter(|c| !c.is_closed()) {
                    return Ok(Ok(open.clone()));
                }
                return Ok(Ok(self.connect_to(id, &host, port).await?));
            }
            if !error.is_retriable() || waited >= patience {
                return Ok(Err((error, message)));
            }
            tokio::time::sleep(step).await;
            waited += step;
        }
    }

    async fn ask_coordinator(
        &mut self,
        group: &str,
    ) -> Result<(ErrorCode, String, (i32, Str, i32)), CallError> {
        let connection = self.any().await?;
        let version = connection.version_of::<FindCoordinatorRequest>()?;
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![group.into()];
        } else {
            request.key = group.into();
        }
        let response = connection.call_in(version, &request).await?;
        let text = |message: Option<Str>| message.map(|m| m.to_string()).unwrap_or_default();
        Ok(match response.coordinators.into_iter().next() {
            Some(c) => (
                c.error_code,
                text(c.error_message),
                (c.node_id, c.host, c.port),
            ),
            None => (
                response.error_code,
                text(response.error_message),
                (response.node_id, response.host, response.port),
            ),
        })
    }

    /// Calls the controller, and the next one when it has moved.
    pub async fn call_controller<R: Request>(
        &mut self,
        request: &R,
        moved: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response, CallError> {
        for _ in 0..5 {
            let response = self.controller().await?.call(request).await?;
            if !moved(&response) {
                return Ok(response);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.metadata(Some(&[])).await?;
        }
        self.controller().await?.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_address_lists() {
        let read = |s| parse_addresses(s).map_err(|e| e.0);
        assert_eq!(
            read(" a:1, [::1]:2,PLAINTEXT://c:3,"),
            Ok(vec![("a".into(), 1), ("::1".into(), 2), ("c".into(), 3)])
        );
        assert_eq!(read("a"), Err("a".into()));
        assert_eq!(read("a:x"), Err("a:x".into()));
        assert_eq!(read(""), Err(String::new()));
    }
}
