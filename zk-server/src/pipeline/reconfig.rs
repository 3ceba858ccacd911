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

use crate::config::{QuorumConfig, QuorumServer};
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
    /// The configuration that the request leads to, should it be committed as `zxid`.
    fn next(
        &self,
        request: &ReconfigRequest<'_>,
        settings: &Settings,
        zxid: i64,
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
            None => self.changed(request, settings.multi_address)?,
        };
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
    fn changed(&self, request: &ReconfigRequest<'_>, multi_address: bool) -> Checked<QuorumConfig> {
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
            if next
                .servers
                .iter()
                .any(|other| share_an_address(&server, other))
            {
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

/// Two servers cannot listen at one address. Names are compared as they stand; loopback and wildcard
/// addresses mean another machine each.
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
        let next = views.next(request, self.settings, self.at.zxid)?;
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
