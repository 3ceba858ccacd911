//! Deletes container nodes that have lost their last child and TTL nodes whose time is over
//! (Java: `ContainerManager`).

use std::collections::VecDeque;

use crate::pipeline::request::Write;
use crate::tree::ephemeral::{EphemeralType, ttl_of};

use super::io::{Mode, Output};
use super::server::Server;
use super::settings::Settings;
use crate::units::Now;

#[derive(Debug)]
pub(crate) struct ContainerSweep {
    check_interval_us: u64,
    /// between two deletions
    pace_us: u64,
    next_check_us: u64,
    next_delete_us: u64,
    candidates: VecDeque<String>,
}

impl ContainerSweep {
    pub(crate) fn new(settings: &Settings, now: Now) -> Self {
        let check_interval_us = settings.container_check_interval_ms.max(1) * 1000;
        Self {
            check_interval_us,
            pace_us: 60_000 / settings.container_max_per_minute.max(1) * 1000,
            next_check_us: now.mono_us + check_interval_us,
            next_delete_us: 0,
            candidates: VecDeque::new(),
        }
    }

    pub(crate) fn next_us(&self) -> u64 {
        if self.candidates.is_empty() {
            self.next_check_us
        } else {
            self.next_delete_us
        }
    }
}

impl Server {
    /// Only those who make transactions do.
    pub(super) fn sweeps(&self) -> bool {
        matches!(self.mode, Mode::Standalone | Mode::Leading)
    }

    pub(super) fn sweep_containers(&mut self, out: &mut Vec<Output>) {
        if !self.sweeps() {
            return;
        }
        let now = self.now.mono_us;
        let sweep = &self.containers;
        if sweep.candidates.is_empty() && sweep.next_check_us <= now {
            self.containers.candidates = self.container_candidates();
            let sweep = &mut self.containers;
            sweep.next_delete_us = now;
            // Checks that a stall swallowed are not made up for.
            while sweep.next_check_us <= now {
                sweep.next_check_us += sweep.check_interval_us;
            }
        }
        while self.containers.next_delete_us <= now {
            let Some(path) = self.containers.candidates.pop_front() else {
                return;
            };
            self.containers.next_delete_us += self.containers.pace_us;
            let path = proto::zk::request::PathRequest { path: &path };
            self.propose_internal(0, &Write::DeleteContainer(path), out);
        }
    }

    fn container_candidates(&self) -> VecDeque<String> {
        let tree = self.db.tree();
        let never_used = self.settings.container_max_never_used_ms;
        let mut paths = VecDeque::new();
        for id in tree.containers() {
            let node = tree.node(id);
            let age = self.now.wall_ms - node.stat().mtime;
            // One that never had a child may be about to get its first.
            let old = node.stat().cversion > 0 || (never_used != 0 && age > never_used);
            if node.children() == 0 && old {
                paths.push_back(tree.arena().path_of(id));
            }
        }
        for id in tree.ttls() {
            let node = tree.node(id);
            let owner = node.stat().ephemeral_owner;
            let ttl = ttl_of(owner);
            let over = ttl != 0 && self.now.wall_ms - node.stat().mtime > ttl;
            if node.children() == 0 && over && tree.types().of(owner) == EphemeralType::Ttl {
                paths.push_back(tree.arena().path_of(id));
            }
        }
        paths
    }
}
