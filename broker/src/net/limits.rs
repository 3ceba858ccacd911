//! How many connections may come in: in all, through one listener, from one address and per
//! second. Time is an argument; no socket in sight, and of the system only hosts' addresses are asked.
//! Mirrors kafka.network.ConnectionQuotas.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use tracing::warn;

use crate::config::KafkaConfig;

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} already has {max} connections (max.connections.per.ip)")]
pub(super) struct TooMany {
    address: IpAddr,
    max: usize,
}

/// No limit on connections per second.
const UNLIMITED: u64 = i32::MAX as u64;

/// The limits as the configuration has them.
#[derive(Debug, Clone)]
pub(super) struct Quotas {
    total: usize,
    per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
    per_second: u64,
    /// (connections, connections per second)
    listeners: HashMap<Arc<str>, (usize, u64)>,
    /// the listener between brokers, which `max.connections` does not hold back where there are
    /// others (KIP-402)
    protected: Option<Arc<str>>,
}

impl Quotas {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        let size = |value: i32| usize::try_from(value).unwrap_or(0);
        let rate = |value: i32| u64::try_from(value).unwrap_or(0);
        let listeners = config.listeners.iter().map(|point| {
            let limit = |key| config.settings.of_listener(&point.name, key);
            let max = limit("max.connections").unwrap_or(i32::MAX);
            let per_second = limit("max.connection.creation.rate").unwrap_or(i32::MAX);
            (point.name.as_str().into(), (size(max), rate(per_second)))
        });
        let several = config.listeners.len() > 1;
        Self {
            total: size(config.max_connections),
            per_ip: size(config.max_connections_per_ip),
            overrides: overrides(config),
            per_second: rate(config.max_connection_creation_rate),
            listeners: listeners.collect(),
            protected: several.then(|| config.inter_broker_listener.as_str().into()),
        }
    }

    pub(super) fn is_protected(&self, listener: &str) -> bool {
        self.protected.as_deref() == Some(listener)
    }
}

/// By address. A host that has no address here can never connect and is left out.
fn overrides(config: &KafkaConfig) -> HashMap<IpAddr, usize> {
    let mut all = HashMap::new();
    for (host, max) in config.connections_per_host().unwrap_or_default() {
        match (host, 0).to_socket_addrs() {
            Ok(found) => all.extend(found.map(|address| (address.ip(), max))),
            Err(e) => warn!(
                "{}: max.connections.per.ip.overrides: {host} has no address ({e}), so nobody comes from there",
                config.settings.place("max.connections.per.ip.overrides")
            ),
        }
    }
    all
}

/// The open connections, counted.
#[derive(Debug)]
pub(super) struct Limits {
    quotas: Quotas,
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
    per_listener: HashMap<Arc<str>, usize>,
    rate: Rate,
    listener_rates: HashMap<Arc<str>, Rate>,
}

impl Limits {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            total: 0,
            per_ip: HashMap::new(),
            per_listener: HashMap::new(),
            rate: Rate::default(),
            listener_rates: HashMap::new(),
        }
    }

    pub(super) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Other limits count from now on.
    pub(super) fn set_quotas(&mut self, quotas: Quotas) {
        self.quotas = quotas;
    }

    /// Whether the next connection of this listener may be accepted now; if not, when to look
    /// again (`None`: when a connection has closed).
    pub(super) fn may_accept(&mut self, listener: &str, now_us: u64) -> Result<(), Option<u64>> {
        let limits = self.quotas.listeners.get(listener).copied();
        let (max, per_second) = limits.unwrap_or((usize::MAX, UNLIMITED));
        let open = self.per_listener.get(listener).copied().unwrap_or(0);
        if open >= max {
            return Err(None);
        }
        if self.total >= self.quotas.total && !self.quotas.is_protected(listener) {
            return Err(None);
        }
        if per_second < UNLIMITED {
            let rate = self.listener_rates.entry(listener.into()).or_default();
            rate.may_accept(per_second, now_us).map_err(Some)?;
        }
        let per_second = self.quotas.per_second;
        self.rate.may_accept(per_second, now_us).map_err(Some)
    }

    /// Counts a connection that was accepted.
    pub(super) fn open(&mut self, listener: &Arc<str>, address: IpAddr) -> Result<(), TooMany> {
        let quotas = &self.quotas;
        let max = quotas.overrides.get(&address).copied();
        let max = max.unwrap_or(quotas.per_ip);
        let count = self.per_ip.entry(address).or_insert(0);
        if *count >= max {
            if *count == 0 {
                self.per_ip.remove(&address);
            }
            return Err(TooMany { address, max });
        }
        *count += 1;
        self.total += 1;
        *self.per_listener.entry(listener.clone()).or_insert(0) += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, listener: &str, address: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.per_listener.get_mut(listener) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.per_ip.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_ip.remove(&address);
            }
        }
    }

    /// Connections beyond `max.connections`: those of a protected listener came in all the same,
    /// or the limit was lowered.
    pub(super) fn excess(&self) -> usize {
        self.total.saturating_sub(self.quotas.total)
    }
}

/// A bucket that fills with one second's worth of connections at most.
#[derive(Debug, Default)]
struct Rate {
    available_us: u64,
    last_us: u64,
}

impl Rate {
    fn may_accept(&mut self, per_second: u64, now_us: u64) -> Result<(), u64> {
        const SECOND_US: u64 = 1_000_000;
        if per_second >= UNLIMITED {
            return Ok(());
        }
        if per_second == 0 {
            return Err(SECOND_US);
        }
        let cost = SECOND_US / per_second;
        let gained = now_us.saturating_sub(self.last_us);
        self.available_us = self.available_us.saturating_add(gained).min(SECOND_US);
        self.last_us = now_us;
        if self.available_us < cost {
            return Err(cost - self.available_us);
        }
        self.available_us -= cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::properties::Properties;

    use super::*;
    use crate::config::Settings;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn limits(listeners: &str, lines: &str) -> Limits {
        let text = format!("zookeeper.connect=x:1\nlisteners={listeners}\n{lines}");
        let file = Properties::parse("f", text.as_bytes()).unwrap();
        let config = KafkaConfig::new(Settings::new(file, &[]).unwrap()).unwrap();
        Limits::new(Quotas::new(&config))
    }

    #[test]
    fn counts_in_all_and_by_address() {
        let lines = "max.connections=3\nmax.connections.per.ip=1\n\
                     max.connections.per.ip.overrides=10.0.0.2:2, localhost:3";
        let mut limits = limits("PLAINTEXT://127.0.0.1:0", lines);
        let listener: Arc<str> = "PLAINTEXT".into();
        limits.open(&listener, A).unwrap();
        assert!(limits.open(&listener, A).is_err());
        limits.open(&listener, B).unwrap();
        limits.open(&listener, B).unwrap();
        // a listener alone is not protected
        assert_eq!(limits.may_accept(&listener, 0), Err(None));
        limits.close(&listener, A);
        assert_eq!(limits.may_accept(&listener, 0), Ok(()));
        assert_eq!(limits.total, 2);
        limits.open(&listener, A).unwrap();
        let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        assert_eq!(limits.quotas.overrides.get(&here), Some(&3));
    }

    #[test]
    fn the_listener_between_brokers_is_let_in_at_the_cost_of_others() {
        let lines = "listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT\n\
                     inter.broker.listener.name=IN\nmax.connections=2\n\
                     listener.name.in.max.connections=2";
        let mut limits = limits("IN://127.0.0.1:0,OUT://127.0.0.1:0", lines);
        let (inside, outside): (Arc<str>, Arc<str>) = ("IN".into(), "OUT".into());
        limits.open(&outside, A).unwrap();
        limits.open(&outside, A).unwrap();
        assert_eq!(limits.may_accept(&outside, 0), Err(None));
        assert_eq!(limits.may_accept(&inside, 0), Ok(()));
        assert_eq!(limits.excess(), 0);
        limits.open(&inside, B).unwrap();
        assert_eq!(limits.excess(), 1);
        limits.open(&inside, B).unwrap();
        // but not beyond its own limit
        assert_eq!(limits.may_accept(&inside, 0), Err(None));
    }

    #[test]
    fn spreads_connections_over_time() {
        let mut limits = limits("PLAINTEXT://127.0.0.1:0", "max.connection.creation.rate=10");
        let mut accepted = 0;
        for now in (0..3_000_000).step_by(1000) {
            accepted += u32::from(limits.may_accept("PLAINTEXT", now).is_ok());
        }
        assert!((29..=31).contains(&accepted), "{accepted}");
    }
}
