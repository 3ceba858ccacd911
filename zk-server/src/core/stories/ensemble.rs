//! A leader and its learners with a tiny broadcast between them: every append goes to every learner,
//! a majority of logs commits. The stories themselves are in `travels` and its neighbours.

use super::*;
use crate::core::io::{FromQuorum, Mode, RemoteRequest, ToQuorum};
use crate::core::server::Event;
use crate::quorum::View;
use crate::units::LinkId;

/// What travels from the leader to a learner.
#[derive(Debug, Clone)]
pub(super) enum Down {
    Proposal(Zxid, Bytes),
    Commit(Zxid),
    Synced,
    Revalidated(i64, bool),
}

pub(super) struct Node {
    pub(super) server: Server,
    pub(super) got: Vec<(ConnId, Vec<u8>)>,
    pub(super) closed: Vec<ConnId>,
    pub(super) events: Vec<Event>,
    pub(super) abandoned: Option<String>,
    pub(super) log: Vec<(Zxid, Bytes)>,
    /// from the leader, not delivered
    pub(super) down: VecDeque<Down>,
    /// to the leader, not delivered
    pub(super) up: VecDeque<ToQuorum>,
    /// nothing is delivered to it or from it
    pub(super) cut: bool,
    pub(super) voter: bool,
}

impl Node {
    fn new(server: Server, voter: bool) -> Self {
        Self {
            server,
            got: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            abandoned: None,
            log: Vec::new(),
            down: VecDeque::new(),
            up: VecDeque::new(),
            cut: false,
            voter,
        }
    }
}

/// Node 0 leads.
pub(super) struct Ensemble {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Now,
    pub(super) auto: bool,
    /// proposed
    pub(super) views: Vec<(Zxid, View)>,
    committed: Zxid,
    /// a learner's sync, answered once this is committed
    syncs: VecDeque<(Zxid, usize)>,
    next_conn: u64,
}

pub(super) struct Member {
    pub(super) node: usize,
    pub(super) client: Client,
}

impl Ensemble {
    pub(super) fn new() -> Self {
        Self::with(Settings::default(), 3)
    }

    pub(super) fn with(settings: Settings, voters: usize) -> Self {
        let db = || Database::new(settings.types, settings.digest_enabled);
        Self::on(&settings, voters, db, 1)
    }

    pub(super) fn on(
        settings: &Settings,
        voters: usize,
        db: impl Fn() -> Database,
        epoch: i64,
    ) -> Self {
        let now = Now {
            mono_us: 1_000_000,
            wall_ms: 1_700_000_000_000,
        };
        let node = |id: usize| {
            let settings = Settings {
                server_id: id as i64 + 1,
                ..settings.clone()
            };
            let mode = match id {
                0 => Mode::Leading,
                id if id < voters => Mode::Following,
                _ => Mode::Observing,
            };
            let mut db = db();
            db.committed_mut().keep(500);
            Node::new(Server::serve(settings, mode, db, epoch, now), id < voters)
        };
        Self {
            nodes: (0..=voters).map(node).collect(),
            now,
            auto: true,
            views: Vec::new(),
            committed: Zxid(0),
            syncs: VecDeque::new(),
            next_conn: 1,
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let mut out = Vec::new();
        self.nodes[node].server.handle(self.now, input, &mut out);
        for output in out {
            self.output(node, output);
        }
        let events = self.nodes[node].server.drain_events();
        self.nodes[node].events.extend(events);
        if self.auto {
            self.pump();
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { conn, bytes } => {
                let mut r = Reader::new(&bytes);
                while !r.is_empty() {
                    let frame = Option::<&[u8]>::read(&mut r).unwrap().unwrap();
                    self.nodes[node].got.push((conn, frame.to_vec()));
                }
            }
            Output::Close { conn } => self.nodes[node].closed.push(conn),
            Output::Append { zxid, record } => {
                self.nodes[node].log.push((zxid, record.clone()));
                if node == 0 {
                    for learner in &mut self.nodes[1..] {
                        let proposal = Down::Proposal(zxid, record.clone());
                        learner.down.push_back(proposal);
                    }
                }
            }
            Output::Quorum(ToQuorum::Abandon { reason }) => {
                self.nodes[node].abandoned = Some(reason);
            }
            Output::Quorum(ToQuorum::Reconfig { zxid, view }) => self.views.push((zxid, view)),
            Output::Quorum(told) if node > 0 => self.nodes[node].up.push_back(told),
            Output::Quorum(ToQuorum::Revalidated {
                link,
                session,
                valid,
            }) => {
                let answer = Down::Revalidated(session, valid);
                self.nodes[link.0 as usize].down.push_back(answer);
            }
            Output::Quorum(told) => panic!("a leader told {told:?}"),
            _ => {}
        }
    }

    /// Delivers one message to or from a learner. False when there is none.
    pub(super) fn step_up(&mut self, node: usize) -> bool {
        if self.nodes[node].cut {
            return false;
        }
        let Some(told) = self.nodes[node].up.pop_front() else {
            return false;
        };
        let link = LinkId(node as u64);
        let told = match told {
            ToQuorum::Forward { op, .. } if op == OpCode::Sync.code() => {
                let last = self.nodes[0].log.last().map_or(Zxid(0), |&(zxid, _)| zxid);
                self.syncs.push_back((last, node));
                self.answer_syncs();
                return true;
            }
            ToQuorum::Forward {
                session,
                xid,
                op,
                body,
                ids,
            } => FromQuorum::Remote(RemoteRequest {
                link,
                session,
                xid,
                op,
                body,
                ids: ids.to_vec().into(),
            }),
            ToQuorum::Revalidate {
                session,
                timeout_ms,
            } => FromQuorum::Revalidate {
                link,
                session,
                timeout_ms,
            },
            told => panic!("a learner told {told:?}"),
        };
        self.quiet(0, Input::Quorum(told));
        true
    }

    pub(super) fn step_down(&mut self, node: usize) -> bool {
        if self.nodes[node].cut {
            return false;
        }
        let Some(told) = self.nodes[node].down.pop_front() else {
            return false;
        };
        let told = match told {
            Down::Proposal(zxid, record) => FromQuorum::Proposal { zxid, record },
            Down::Commit(zxid) => FromQuorum::Commit { zxid },
            Down::Synced => FromQuorum::Synced,
            Down::Revalidated(session, valid) => FromQuorum::Revalidated { session, valid },
        };
        self.quiet(node, Input::Quorum(told));
        true
    }

    /// The leader commits what a majority has logged.
    pub(super) fn step_commit(&mut self) -> bool {
        let voters = self.nodes.iter().filter(|n| n.voter);
        let mut logged: Vec<Zxid> = voters
            .map(|n| n.log.last().map_or(Zxid(0), |&(zxid, _)| zxid))
            .collect();
        logged.sort_unstable();
        let majority = logged[(logged.len() - 1) / 2];
        let next = self.nodes[0]
            .log
            .iter()
            .map(|&(zxid, _)| zxid)
            .find(|&zxid| zxid > self.committed);
        let Some(zxid) = next.filter(|&zxid| zxid <= majority) else {
            return false;
        };
        self.committed = zxid;
        for learner in &mut self.nodes[1..] {
            learner.down.push_back(Down::Commit(zxid));
        }
        self.answer_syncs();
        self.quiet(0, Input::Quorum(FromQuorum::Commit { zxid }));
        true
    }

    fn answer_syncs(&mut self) {
        while let Some(&(zxid, node)) = self.syncs.front() {
            if zxid > self.committed {
                return;
            }
            self.syncs.pop_front();
            self.nodes[node].down.push_back(Down::Synced);
        }
    }

    pub(super) fn quiet(&mut self, node: usize, input: Input) {
        let auto = std::mem::replace(&mut self.auto, false);
        self.input(node, input);
        self.auto = auto;
    }

    /// Delivers everything that can be delivered.
    pub(super) fn pump(&mut self) {
        loop {
            let mut moved = self.step_commit();
            for node in 1..self.nodes.len() {
                moved |= self.step_up(node) | self.step_down(node);
            }
            if !moved {
                return;
            }
        }
    }

    /// Pings that carry the sessions which learners have heard of.
    pub(super) fn ping(&mut self) {
        for node in 1..self.nodes.len() {
            if self.nodes[node].cut {
                continue;
            }
            for (session, timeout_ms) in self.nodes[node].server.take_touched() {
                let touch = FromQuorum::Touch {
                    session,
                    timeout_ms,
                };
                self.input(0, Input::Quorum(touch));
            }
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.now.mono_us += 100_000;
            self.now.wall_ms += 100;
            for node in 0..self.nodes.len() {
                self.input(node, Input::Tick);
            }
        }
    }

    pub(super) fn open(&mut self, node: usize) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let peer: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        self.input(node, Input::Connected { conn, peer });
        conn
    }

    pub(super) fn send(&mut self, node: usize, conn: ConnId, frames: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for frame in frames {
            Some(&frame[..]).write(&mut bytes);
        }
        let frames = bytes.into();
        self.input(node, Input::Frames { conn, frames });
    }

    pub(super) fn take(&mut self, node: usize, conn: ConnId) -> Vec<Vec<u8>> {
        let got = std::mem::take(&mut self.nodes[node].got);
        let (mine, rest) = got.into_iter().partition(|(c, _)| *c == conn);
        self.nodes[node].got = rest;
        mine.into_iter().map(|(_, frame)| frame).collect()
    }

    pub(super) fn replies(&mut self, m: &Member) -> Vec<Reply> {
        let frames = self.take(m.node, m.client.conn);
        frames.iter().map(|f| reply(f)).collect()
    }

    pub(super) fn connect(
        &mut self,
        node: usize,
        session: i64,
        password: &[u8],
        seen: i64,
    ) -> ConnId {
        let conn = self.open(node);
        let frame = World::connect_frame(session, password, 10_000, seen);
        self.send(node, conn, &[frame]);
        conn
    }

    /// The session that a connection was given.
    pub(super) fn connected(&mut self, node: usize, conn: ConnId) -> Option<Member> {
        let got = self.take(node, conn);
        let response = ConnectResponse::from_bytes(got.first()?).unwrap();
        let client = Client {
            conn,
            session: response.session_id,
            password: response.password.unwrap().to_vec(),
            timeout: response.timeout,
            xid: 0,
        };
        (response.timeout > 0).then_some(Member { node, client })
    }

    pub(super) fn client(&mut self, node: usize) -> Member {
        let conn = self.connect(node, 0, &[0; 16], 0);
        self.connected(node, conn).expect("a new session")
    }

    /// The same client on another server.
    pub(super) fn moved(&mut self, m: &Member, node: usize) -> Option<Member> {
        let password = m.client.password.clone();
        let conn = self.connect(node, m.client.session, &password, 0);
        self.connected(node, conn)
    }

    pub(super) fn ask(&mut self, m: &mut Member, op: OpCode, body: &[u8]) {
        let frame = m.client.frame(op, body);
        self.send(m.node, m.client.conn, &[frame]);
    }

    pub(super) fn call(&mut self, m: &mut Member, op: OpCode, body: &[u8]) -> Reply {
        self.ask(m, op, body);
        let mut replies = self.replies(m);
        let last = replies.pop().expect("a reply");
        assert_eq!(replies, [], "one reply to {op:?}");
        assert_eq!(last.xid, m.client.xid);
        last
    }

    pub(super) fn create(
        &mut self,
        m: &mut Member,
        path: &str,
        flags: i32,
    ) -> Result<String, ErrorCode> {
        let body = create_body(path, flags);
        let r = self.call(m, OpCode::Create, &body).ok()?;
        Ok(PathResponse::from_bytes(&r).unwrap().path.to_owned())
    }

    pub(super) fn exists(
        &mut self,
        m: &mut Member,
        path: &str,
        watch: bool,
    ) -> Result<Stat, ErrorCode> {
        let body = PathWatchRequest { path, watch };
        let r = self.call(m, OpCode::Exists, &body.to_vec()).ok()?;
        Ok(Stat::from_bytes(&r).unwrap())
    }

    /// All servers have the same tree, sessions and committed log.
    pub(super) fn check_equal(&self) {
        let first = self.nodes[0].server.database();
        for node in &self.nodes {
            let db = node.server.database();
            assert_eq!(node.abandoned, None);
            assert_eq!(db.last_zxid(), first.last_zxid());
            assert_eq!(db.tree().digest(), first.tree().digest());
            assert_eq!(db.digest_mismatches(), 0);
            assert_eq!(db.sessions(), first.sessions());
            let log = |db: &Database| db.committed().iter().map(|(z, _)| z).collect::<Vec<_>>();
            assert_eq!(log(db), log(first));
        }
    }
}
