//! The next configuration of the ensemble, from what a client asks for (Java: `reconfig` in
//! `PrepRequestProcessor`). Checks run in Java's order and give Java's codes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proto::jute::Jute;
use proto::properties::Place;
use proto::zk::ErrorCode;
use proto::zk::acl::perms;
use proto::zk::request::ReconfigRequest;
use proto::zk::stat::StatPersisted;

use crate::config::{QuorumConfig, QuorumServer, addresses_twice};
use crate::core::settings::Settings;
use crate::quorum::View;

use super::prep::{Checked, Prep};

const CONFIG: &str = "/zookeeper/config";

/// What a leader knows of the ensemble.
#[derive(Debug)]
pub(crate) struct Views {
    /// in force
    pub(crate) active: View,
    /// the last that was proposed
    pub(crate) seen: View,
    /// learners that take part in broadcast
    pub(crate) synced: BTreeSet<i64>,
}

impl Views {
    /// The configuration that the request leads to, should it be committed as `zxid`. `why` is for the
    /// operator, where the code alone does not tell.
    fn next(
        &self,
        request: &ReconfigRequest<'_>,
        settings: &Settings,
        zxid: i64,
        why: &mut Option<String>,
    ) -> Checked<QuorumConfig> {
        if self.seen.version() != self.active.version() {
            return Err(ErrorCode::ReconfigInProgress);
        }
        let from = request.cur_config_id;
        if from != -1 && from != self.seen.version() {
            return Err(ErrorCode::BadVersion);
        }
        let mut next = match request.new_members {
            Some(members) => whole(members, settings)?,
            None => self.changed(request, settings.multi_address, why)?,
        };
        if let Some(twice) = address_twice(&next, self.seen.config()) {
            *why = Some(twice);
            return Err(ErrorCode::BadArguments);
        }
        next.version = zxid;
        let least = if settings.standalone_enabled { 2 } else { 1 };
        if next.voters() < least {
            return Err(ErrorCode::BadArguments);
        }
        let view = View::new(next.clone());
        let mut ids = self.synced.clone();
        ids.insert(settings.server_id);
        if !view.is_quorum(&ids) {
            return Err(ErrorCode::NewConfigNoQuorum);
        }
        Ok(next)
    }

    /// The last configuration without those who leave and with those who join.
    fn changed(
        &self,
        request: &ReconfigRequest<'_>,
        multi_address: bool,
        why: &mut Option<String>,
    ) -> Checked<QuorumConfig> {
        let mut next = self.seen.config().clone();
        if next.hierarchical {
            return Err(ErrorCode::BadArguments);
        }
        for id in list(request.leaving_servers) {
            let id: i64 = id.parse().map_err(|_| ErrorCode::MarshallingError)?;
            next.servers.retain(|server| server.id != id);
        }
        for line in list(request.joining_servers) {
            let mut parts = line
                .split('=')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let (Some(key), Some(text), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(ErrorCode::BadArguments);
            };
            let id = key.rsplit('.').next().unwrap_or_default();
            let id: i64 = id.parse().map_err(|_| ErrorCode::MarshallingError)?;
            let place = Place {
                source: "reconfig".into(),
                line: 1,
            };
            let server = QuorumServer::parse(id, text, &place, multi_address)
                .map_err(|_| ErrorCode::BadArguments)?;
            if server.client.is_none() {
                return Err(ErrorCode::BadArguments);
            }
            next.servers.retain(|other| other.id != id);
            let mut others = next.servers.iter();
            if let Some(other) = others.find(|other| share_an_address(&server, other)) {
                *why = Some(format!(
                    "server.{id} would have an address of server.{}: correct the line server.{id}",
                    other.id
                ));
                return Err(ErrorCode::BadArguments);
            }
            next.servers.push(server);
        }
        next.servers.sort_by_key(|server| server.id);
        Ok(next)
    }
}

/// A list of all members, one a line or with commas between them.
fn whole(members: &str, settings: &Settings) -> Checked<QuorumConfig> {
    let lines = members.replace(',', "\n");
    let config = QuorumConfig::from_text("reconfig", lines.as_bytes(), settings.multi_address)
        .map_err(|_| ErrorCode::BadArguments)?;
    // Java takes these for requests that it cannot read.
    let unreadable = match config.voters() {
        0 => !settings.standalone_enabled || config.observers() > 0,
        1 => settings.standalone_enabled && config.observers() > 0,
        _ => false,
    };
    if unreadable {
        return Err(ErrorCode::MarshallingError);
    }
    Ok(config)
}

fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    let entries = text.unwrap_or_default().split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty())
}

/// Beyond what Java checks: loopback addresses, and lists of all members. Both of such servers are on one
/// machine, and one of the two would never get its port. What the last configuration has so already may
/// stay: servers are taken out one after the other.
fn address_twice(next: &QuorumConfig, last: &QuorumConfig) -> Option<String> {
    let known = |server: &QuorumServer| last.server(server.id).is_some_and(|old| old == server);
    let mut all = addresses_twice(next).into_iter();
    let twice = all.find(|twice| !known(twice.server) || !known(twice.other))?;
    Some(format!(
        "server.{} and server.{} would both have {}:{}: two servers cannot listen at one address",
        twice.other.id, twice.server.id, twice.host, twice.port
    ))
}

/// Java's check of servers that join. Names are compared as they stand; loopback and wildcard addresses
/// mean another machine each.
fn share_an_address(one: &QuorumServer, other: &QuorumServer) -> bool {
    let theirs: Vec<_> = sockets(other).collect();
    sockets(one).any(|(host, port)| {
        theirs
            .iter()
            .any(|&(their, at)| at == port && their.eq_ignore_ascii_case(host))
    })
}

fn sockets(server: &QuorumServer) -> impl Iterator<Item = (&str, u16)> {
    let quorum = server
        .addresses
        .iter()
        .flat_map(|(host, data, election)| [(host.as_str(), *data), (host.as_str(), *election)]);
    let client = server
        .client
        .iter()
        .map(|(host, port)| (host.as_str(), *port));
    quorum.chain(client).filter(|(host, _)| !is_special(host))
}

fn is_special(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

impl Prep<'_> {
    pub(super) fn reconfig(&mut self, request: &ReconfigRequest<'_>, out: &mut Vec<u8>) -> Checked {
        if !self.settings.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.allowed.any?;
        // A server alone has none.
        let views = self.views.ok_or(ErrorCode::Unimplemented)?;
        let why = &mut self.reconfig_refused;
        let next = views.next(request, self.settings, self.at.zxid, why)?;
        let mut node = self.find(CONFIG)?;
        self.allow(&node, perms::WRITE)?;
        let text = next.to_string();
        let data = Some(text.as_bytes());
        CONFIG.write(out);
        data.write(out);
        (-1i32).write(out);
        node.stat = StatPersisted {
            version: -1,
            mtime: self.at.time,
            mzxid: self.at.zxid,
            ..node.stat
        };
        node.crc.prefix = self.tree.prefix(CONFIG, data);
        node.data_len = text.len();
        self.put(CONFIG, node);
        self.next_view = Some(View::new(next));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_get_no_address_in_common() {
        let line = |id: i64, port: u16| {
            let (election, client) = (port + 1, port + 2);
            format!("server.{id}=127.0.0.1:{port}:{election}:participant;127.0.0.1:{client}")
        };
        let views = |lines: &[String]| {
            let text = lines.join("\n");
            let config = QuorumConfig::from_text("test", text.as_bytes(), false).unwrap();
            let view = View::new(config);
            Views {
                active: view.clone(),
                seen: view,
                synced: (1..=4).collect(),
            }
        };
        let settings = Settings::default();
        let next = |views: &Views, join: Option<&str>, leave: Option<&str>, all: Option<&str>| {
            let request = ReconfigRequest {
                joining_servers: join,
                leaving_servers: leave,
                new_members: all,
                cur_config_id: -1,
            };
            let mut why = None;
            let next = views.next(&request, &settings, 9, &mut why);
            (next.map(|config| config.servers.len()), why)
        };
        let good = views(&[line(1, 10), line(2, 20), line(3, 30)]);
        assert_eq!(next(&good, Some(&line(4, 40)), None, None), (Ok(4), None));
        let told = "server.2 and server.4 would both have 127.0.0.1:20: two servers cannot listen at one \
                    address";
        let refused = (Err(ErrorCode::BadArguments), Some(told.to_owned()));
        assert_eq!(next(&good, Some(&line(4, 20)), None, None), refused);
        let all = [line(1, 10), line(2, 20), line(4, 20)].join(",");
        assert_eq!(next(&good, None, None, Some(&all)), refused);
        // Two that change places.
        let changed = [line(1, 20), line(2, 10)].join(",");
        assert_eq!(next(&good, Some(&changed), None, None), (Ok(3), None));
        let other = line(4, 50).replace("127.0.0.1", "a");
        let there = views(&[line(1, 10), line(2, 20), other.clone()]);
        let (answer, why) = next(
            &there,
            Some(&other.replace("server.4", "server.5")),
            None,
            None,
        );
        assert_eq!(answer, Err(ErrorCode::BadArguments));
        assert!(
            why.unwrap()
                .starts_with("server.5 would have an address of server.4")
        );
        // What Java has committed can be mended step by step.
        let bad = views(&[line(1, 10), line(2, 20), line(3, 20), line(4, 20)]);
        assert_eq!(next(&bad, None, Some("4"), None), (Ok(3), None));
    }
}
