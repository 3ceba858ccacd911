//! Random steps over a small namespace, so that requests collide and errors are common.

use proto::zk::OpCode;

use super::directed::SLOTS;
use super::side::Side;
use super::step::{Acls, Connect, Request, Step};
use crate::rng::Rng;

/// Chooses steps; what it knows of the servers' state comes from the reference side.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    /// Names with a number, as replies have told them.
    sequential: Vec<String>,
}

const NAMES: &[&str] = &["a", "b", "c"];

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            sequential: Vec::new(),
        }
    }

    /// Notes the paths that the server made up.
    pub fn learn(&mut self, seen: &[String]) {
        for line in seen {
            let rest = line.split_once(" path=").map(|(_, rest)| rest);
            let path = rest.and_then(|rest| rest.split_whitespace().next());
            self.sequential.extend(
                path.filter(|path| path.starts_with("/o"))
                    .filter(|path| path.ends_with(|c: char| c.is_ascii_digit()))
                    .map(str::to_owned),
            );
        }
        let excess = self.sequential.len().saturating_sub(40);
        self.sequential.drain(..excess);
    }

    /// The next step.
    pub fn step(&mut self, reference: &Side) -> Step {
        let slot = self.rng.below(SLOTS);
        if !reference.connected(slot) {
            return self.connect(slot, reference.has_session(slot), false);
        }
        match self.rng.below(200) {
            0 => Step::Drop { slot },
            1 => self.connect(slot, true, true),
            2 => Step::Requests {
                slot,
                burst: vec![Request::close_session()],
            },
            5..30 => {
                let n = 2 + self.rng.below(6);
                let burst = self.burst(n);
                Step::Requests { slot, burst }
            }
            3..5 => {
                let burst = self.burst(2);
                Step::Trickle { slot, burst }
            }
            30..33 => Step::Requests {
                slot,
                burst: vec![self.auth(slot)],
            },
            _ => Step::Requests {
                slot,
                burst: vec![self.request()],
            },
        }
    }

    /// Requests to be sent at once. A setACL ends it: what Java checks the next ones against
    /// depends on how far it has got, as its pending changes lack the new list.
    fn burst(&mut self, n: usize) -> Vec<Request> {
        let mut burst = Vec::new();
        while burst.len() < n {
            let request = self.request();
            let ends = request.op == OpCode::SetAcl.code();
            burst.push(request);
            if ends {
                break;
            }
        }
        burst
    }

    fn connect(&mut self, slot: usize, has_session: bool, connected: bool) -> Step {
        let timeout = 30_000 + self.rng.below(40_000) as i32;
        let how = match self.rng.below(10) {
            _ if !has_session => Connect::New { timeout },
            0 => Connect::NewOld { timeout },
            1 => Connect::NewReadOnly { timeout },
            // Java would close the session's own connection for it.
            2 if !connected => Connect::WrongPassword,
            _ => Connect::Resume { timeout },
        };
        Step::Connect { slot, how }
    }

    /// One identity a slot: with two, the order in which an `auth:` entry becomes them is that of a
    /// hash set in Java.
    fn auth(&mut self, slot: usize) -> Request {
        if self.rng.chance(25) {
            return Request::auth("ip", Some(b""));
        }
        match slot % 3 {
            0 => Request::auth("digest", Some(b"super:admin")),
            1 => Request::auth("digest", Some(b"alice:secret")),
            _ => Request::auth("digest", Some(b"bob:builder")),
        }
    }

    fn path(&mut self) -> String {
        if !self.sequential.is_empty() && self.rng.chance(12) {
            return self.rng.pick(&self.sequential).clone();
        }
        if self.rng.chance(2) {
            let special = [
                "/",
                "/zookeeper",
                "/zookeeper/config",
                "/nowhere",
                "bad",
                "/o/",
            ];
            return (*self.rng.pick(&special)).to_owned();
        }
        let mut path = "/o".to_owned();
        for _ in 0..self.rng.below(4) {
            path.push('/');
            path.push_str(self.rng.pick::<&str>(NAMES));
        }
        path
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        let length = self.rng.below(40);
        (!self.rng.chance(10)).then(|| self.rng.bytes(length))
    }

    fn acl(&mut self) -> Acls {
        match self.rng.below(20) {
            0 => *self.rng.pick(Acls::INVALID),
            1..4 => *self.rng.pick(Acls::VALID),
            _ => Acls::Open,
        }
    }

    fn version(&mut self) -> i32 {
        if self.rng.chance(60) {
            -1
        } else {
            self.rng.below(4) as i32
        }
    }

    fn request(&mut self) -> Request {
        let path = self.path();
        let watch = self.rng.chance(40);
        match self.rng.below(100) {
            0..45 => self.write(&path),
            45..50 => {
                let parts: Vec<Request> = (0..1 + self.rng.below(5)).map(|_| self.part()).collect();
                Request::multi(OpCode::Multi, &parts)
            }
            50..56 => Request::read(OpCode::Exists, &path, watch),
            56..64 => Request::read(OpCode::GetData, &path, watch),
            64..68 => Request::read(OpCode::GetChildren, &path, watch),
            68..73 => Request::read(OpCode::GetChildren2, &path, watch),
            73..76 => Request::path(OpCode::GetAcl, &path),
            76..78 => Request::path(OpCode::GetAllChildrenNumber, &path),
            78..80 => Request::path(OpCode::GetEphemerals, &path),
            80..82 => Request::path(OpCode::Sync, &path),
            82..86 => Request::add_watch(&path, self.rng.below(2) as i32),
            86..88 => Request::watches(OpCode::CheckWatches, &path, self.rng.below(5) as i32),
            88..91 => Request::watches(OpCode::RemoveWatches, &path, self.rng.below(5) as i32),
            91..93 => {
                let reads: Vec<Request> = (0..1 + self.rng.below(3))
                    .map(|_| {
                        let path = self.path();
                        let op = *self.rng.pick(&[OpCode::GetData, OpCode::GetChildren]);
                        Request::read(op, &path, self.rng.chance(30))
                    })
                    .collect();
                Request::multi(OpCode::MultiRead, &reads)
            }
            93..96 => self.set_watches(),
            96 => Request::who_am_i(),
            97 => Request::path(OpCode::DeleteContainer, &path),
            98 => Request::reconfig("", -1),
            _ => self.cut_short(),
        }
    }

    fn write(&mut self, path: &str) -> Request {
        let (data, acl, version) = (self.data(), self.acl(), self.version());
        let data = data.as_deref();
        match self.rng.below(20) {
            0..8 => self.create(path, data, acl),
            8..12 => Request::delete(path, version),
            12..18 => Request::set(path, data, version),
            _ => Request::set_acl(path, acl, version),
        }
    }

    fn create(&mut self, path: &str, data: Option<&[u8]>, acl: Acls) -> Request {
        let plain = *self.rng.pick(&[OpCode::Create, OpCode::Create2]);
        match self.rng.below(12) {
            0 => Request::create(OpCode::CreateContainer, path, data, acl, 4),
            1 => Request::create_ttl(path, data, acl, 5 + self.rng.below(2) as i32, 9_000_000),
            2 => Request::create(plain, path, data, acl, 2 + self.rng.below(2) as i32),
            3 => Request::create(plain, path, data, acl, self.rng.below(8) as i32),
            4..6 => Request::create(plain, path, data, acl, 1),
            _ => Request::create(plain, path, data, acl, 0),
        }
    }

    fn part(&mut self) -> Request {
        let path = self.path();
        if self.rng.chance(20) {
            return Request::check(&path, self.version());
        }
        loop {
            let request = self.write(&path);
            // Java's multi has no setACL.
            if request.op != OpCode::SetAcl.code() {
                return request;
            }
        }
    }

    fn set_watches(&mut self) -> Request {
        let relative = *self.rng.pick(&[0, 50, 500, 2_000, i64::MAX]);
        let mut lists: [Vec<String>; 5] = Default::default();
        for list in &mut lists {
            *list = (0..self.rng.below(3)).map(|_| self.path()).collect();
        }
        let lists = lists
            .each_ref()
            .map(|l| l.iter().map(String::as_str).collect());
        if self.rng.chance(50) {
            return Request::set_watches2(relative, lists);
        }
        let [a, b, c, ..] = lists;
        Request::set_watches(relative, [a, b, c])
    }

    fn cut_short(&mut self) -> Request {
        let path = self.path();
        let mut request = self.write(&path);
        request.body.truncate(self.rng.below(request.body.len()));
        request
    }
}
