//! The operator of a dynamic ensemble: starts machines, has them join, leave, move and change their roles
//! by `reconfig` requests, and stops what is no member any more.

use std::collections::BTreeMap;

use proto::quorum::{QuorumConfig, QuorumServer, Role};
use zk_server::quorum::View;

use crate::rng::Rng;

use super::operation::Operation;
use super::plan::{MS, SECOND};
use super::world::{Event, World};

/// How often a request is tried for want of a client that is connected.
const TRIES: u32 = 20;

/// One server's line of the configuration.
pub fn line(id: i64, port: u16, role: &str) -> String {
    let election = port + 1000;
    format!("server.{id}=server{id}:{port}:{election}:{role};0.0.0.0:2181")
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Participant => "participant",
        Role::Observer => "observer",
    }
}

fn port(server: &QuorumServer) -> u16 {
    server.addresses.first().map_or(2888, |address| address.1)
}

/// The lines of a configuration as a request or a joiner's file has them.
fn lines(config: &QuorumConfig) -> String {
    let text = config.to_string();
    let lines = text.lines().filter(|line| !line.starts_with("version"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What is asked for, and who must run for it.
struct Change {
    joining: Vec<(i64, String)>,
    leaving: Option<i64>,
    members: Option<String>,
}

impl Change {
    fn of(joining: Vec<(i64, String)>, leaving: Option<i64>) -> Option<Self> {
        Some(Self {
            joining,
            leaving,
            members: None,
        })
    }
}

impl World {
    /// The operator wants other members, soon.
    pub(super) fn change_members(&mut self, rng: &mut Rng) {
        let at = self.now + rng.next_u64() % (2 * SECOND);
        self.ask_for_members(rng, at);
    }

    pub(super) fn change_members_now(&mut self, rng: &mut Rng) {
        self.ask_for_members(rng, self.now);
    }

    fn ask_for_members(&mut self, rng: &mut Rng, at: u64) {
        let Some(change) = self.choose_change(rng) else {
            return;
        };
        for (id, line) in &change.joining {
            self.enlist(*id, line);
        }
        let joining: Vec<String> = change.joining.into_iter().map(|(_, line)| line).collect();
        let operation = Operation::Reconfig {
            joining: joining.join(","),
            leaving: change.leaving.map(|id| id.to_string()).unwrap_or_default(),
            members: change.members,
        };
        self.schedule(
            at,
            Event::Ask {
                operation,
                tries: TRIES,
            },
        );
    }

    fn choose_change(&self, rng: &mut Rng) -> Option<Change> {
        let config = self.facts.active().config().clone();
        if config.hierarchical {
            return weigh(config, rng);
        }
        let leader = self.leader().map(|index| index as i64 + 1);
        let leader = leader.and_then(|id| config.server(id));
        let member = match leader {
            Some(leader) if rng.chance(40) => leader,
            _ => rng.pick(&config.servers),
        };
        let machines = self.servers.len() as i64;
        let outside: Vec<i64> = (1..=machines)
            .filter(|&id| config.server(id).is_none())
            .collect();
        let newcomer = (!outside.is_empty()).then(|| *rng.pick(&outside));
        let votes = member.role == Role::Participant;
        // One damaged server must not be too much.
        let spare = config.voters() > 3;
        let participant = |id| (id, line(id, 2888, "participant"));
        match (rng.below(6), newcomer) {
            (0, Some(id)) => {
                let role = *rng.pick(&["participant", "participant", "observer"]);
                Change::of(vec![(id, line(id, 2888, role))], None)
            }
            (1, _) if spare || !votes => Change::of(Vec::new(), Some(member.id)),
            (2, Some(id)) if votes => Change::of(vec![participant(id)], Some(member.id)),
            (3, _) if spare || !votes => {
                let role = if votes { "observer" } else { "participant" };
                Change::of(vec![(member.id, line(member.id, port(member), role))], None)
            }
            (4, newcomer) => {
                let mut next = config.clone();
                if spare || !votes {
                    next.servers.retain(|server| server.id != member.id);
                }
                let mut text = lines(&next);
                let mut joining = Vec::new();
                if let Some(id) = newcomer {
                    joining.push(participant(id));
                    text = format!("{text}\n{}", joining[0].1);
                }
                Some(Change {
                    joining,
                    leaving: None,
                    members: Some(text),
                })
            }
            _ => {
                let moved = line(member.id, port(member) + 1, role_name(member.role));
                Change::of(vec![(member.id, moved)], None)
            }
        }
    }

    /// A machine that is no member is started with the members as they are and itself.
    fn enlist(&mut self, id: i64, line: &str) {
        let view = self.facts.active();
        if view.server(id).is_some() {
            return;
        }
        let text = format!("{}\n{line}\n", lines(view.config()));
        let now = self.now;
        let Some(server) = self.servers.get_mut(id as usize - 1) else {
            return;
        };
        server.enlisted = true;
        server.wanted_until = now + 5 * SECOND;
        if server.live.is_none() {
            let config = QuorumConfig::from_text("a joiner's file", text.as_bytes(), false);
            server.view = View::new(config.expect("lines in the right form"));
            server.seen = None;
            let index = server.index;
            self.schedule(now, Event::Start { server: index });
        }
    }

    /// A client asks for it, as soon as one is connected.
    pub(super) fn ask(&mut self, operation: Operation, tries: u32) {
        if self.healing {
            return;
        }
        let ready = (0..self.clients.len()).filter(|&index| self.can_ask(index));
        let ready: Vec<usize> = ready.collect();
        if ready.is_empty() {
            if tries > 0 {
                let tries = tries - 1;
                let at = self.now + 300 * MS;
                self.schedule(at, Event::Ask { operation, tries });
            }
            return;
        }
        let client = *self.rng.pick(&ready);
        self.say(|| format!("client {client} asks for {operation:?}"));
        self.send_request(client, operation);
    }

    /// A reconfiguration is committed: who has come, who has gone.
    pub(super) fn members_changed(&mut self, before: &View, leader: i64) {
        let now = self.facts.active().clone();
        self.say(|| format!("members: {}", String::from_utf8_lossy(now.text())));
        let (old, new) = (by_id(before), by_id(&now));
        for (id, server) in &new {
            let what = match old.get(id) {
                None => "member joined",
                Some(was) if was.role != server.role => "member changed its role",
                Some(was) if was.addresses != server.addresses => "member changed its address",
                Some(_) => continue,
            };
            self.coverage.happened(what);
            self.servers[*id as usize - 1].enlisted = true;
        }
        if now.config().weights != before.config().weights {
            self.coverage.happened("weights changed");
        }
        let addresses = |view: &View| view.server(leader).map(|s| s.addresses.clone());
        if !now.is_voter(leader) || addresses(&now) != addresses(before) {
            self.coverage.happened("leader reconfigured away");
        }
        for id in old.keys().filter(|id| !new.contains_key(id)) {
            self.coverage.happened("member left");
            if self.rng.chance(60) {
                let at = self.now + self.rng.next_u64() % (3 * SECOND);
                let server = *id as usize - 1;
                self.schedule(at, Event::Discharge { server });
            }
        }
    }

    /// The machine of one that is no member any more is stopped.
    pub(super) fn discharge(&mut self, index: usize) {
        let server = &self.servers[index];
        let member = self.facts.active().server(server.id()).is_some();
        if member || self.now < server.wanted_until || self.healing {
            return;
        }
        self.kill(index);
        self.servers[index].enlisted = false;
    }
}

/// Another weight for one server; all members are given anew, as groups demand.
fn weigh(mut config: QuorumConfig, rng: &mut Rng) -> Option<Change> {
    let voters: Vec<i64> = config.servers.iter().map(|server| server.id).collect();
    // The first server keeps its weight, so that some group has any.
    let id = *rng.pick(voters.get(1..)?);
    config.weights.insert(id, rng.below(3) as i64);
    config.weights.insert(voters[0], 1);
    Some(Change {
        joining: Vec::new(),
        leaving: None,
        members: Some(lines(&config)),
    })
}

fn by_id(view: &View) -> BTreeMap<i64, QuorumServer> {
    let servers = view.config().servers.iter();
    servers.map(|server| (server.id, server.clone())).collect()
}
