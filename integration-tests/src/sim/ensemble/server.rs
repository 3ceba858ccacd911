//! One server of the world: the real peer on the real store, with its simulated disk, from start to
//! crash and again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;
use zk_server::auth::Providers;
use zk_server::core::Settings as CoreSettings;
use zk_server::core::io::{Input, Output};
use zk_server::election;
use zk_server::peer::io::Port;
use zk_server::peer::{Peer, PeerInput, PeerOutput, PeerSettings, PeerStart, PeerStatus, ZabState};
use zk_server::quorum::View;
use zk_server::store::snapshot::wire;
use zk_server::store::{DatabaseSettings, Store, StoreConfig, Worker};
use zk_server::tree::{Database, EphemeralTypes};
use zk_server::units::{ConnId, LinkId, Now, Zxid};
use zk_server::zab;

use crate::disk::SimDisk;

use super::files::Order;
use super::history::START_IS_DURABLE;
use super::plan::{MS, Plan, SECOND};
use super::triggers::Point;
use super::world::{Event, FromServer, World};

/// `extendedTypesEnabled`: there are nodes with a TTL.
const TYPES: EphemeralTypes = EphemeralTypes {
    extended: true,
    emulate_353: false,
};

/// Where a server's wall clock begins.
const MORNING_MS: i64 = 1_700_000_000_000;

#[derive(Debug)]
pub struct Server {
    pub index: usize,
    /// counts starts and ends of the process
    pub life: u64,
    pub live: Option<Box<Live>>,
    pub disk: SimDisk,
    /// the process may end, the files stay
    pub keeps_files: bool,
    /// so much longer does an order take
    pub disk_us: u64,
    pub paused_until: u64,
    pub deferred: Vec<Event>,
    pub wall_offset_ms: i64,
    /// ends of links whose other side does not know yet that this machine is gone
    pub unheard: Vec<(u64, usize)>,
    /// the end of the history that its leader has last set out to give it
    pub owed: i64,
    /// the files have been damaged
    pub damaged: bool,
    pub view: View,
    pub seen: Option<View>,
    /// the operator wants it to run
    pub enlisted: bool,
    /// it is about to become a member
    pub wanted_until: u64,
    pub snap_count: u64,
    pub commit_log_count: usize,
    pub sync_limit: u64,
}

/// A running process.
#[derive(Debug)]
pub struct Live {
    pub peer: Peer,
    pub worker: Worker,
    pub orders: Vec<Order>,
    /// what the disk works on
    pub busy: Option<Vec<Order>>,
    pub tick_at: u64,
    pub listens: Option<Port>,
    pub links: BTreeMap<LinkId, (u64, usize)>,
    /// snapshots that are waited for
    pub receiving: BTreeMap<LinkId, i64>,
    pub conns: BTreeMap<ConnId, u64>,
    /// as of the last look
    pub status: Option<PeerStatus>,
    /// it leads and serves
    pub leads: bool,
    /// it did when its last input came
    pub led: bool,
    /// end of what was appended, as the invariants count
    pub tail: i64,
    pub delivered: i64,
    pub idle: bool,
    /// when the disk's last answer arrives
    pub last_done: u64,
    pub outputs: Vec<PeerOutput>,
}

pub fn address(server: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, server as u8 + 1), 2888))
}

impl Server {
    pub fn new(index: usize, plan: &Plan) -> Self {
        Self {
            index,
            life: 0,
            live: None,
            disk: SimDisk::new(plan.seed ^ ((index as u64 + 1) << 40)),
            keeps_files: false,
            disk_us: 0,
            paused_until: 0,
            deferred: Vec::new(),
            wall_offset_ms: 0,
            unheard: Vec::new(),
            owed: 0,
            damaged: false,
            view: plan.view(),
            seen: None,
            enlisted: index < plan.members(),
            wanted_until: 0,
            snap_count: plan.snap_count,
            commit_log_count: plan.commit_log_count,
            sync_limit: plan.sync_limit,
        }
    }

    pub fn id(&self) -> i64 {
        self.index as i64 + 1
    }

    pub fn status(&self) -> Option<&PeerStatus> {
        self.live.as_ref()?.status.as_ref()
    }

    pub fn serves(&self) -> bool {
        self.status().is_some_and(|s| s.zab == ZabState::Broadcast)
    }

    pub fn leads(&self) -> bool {
        self.serves()
            && self
                .live
                .as_ref()
                .is_some_and(|l| l.peer.leader().is_some())
    }

    pub fn learns(&self) -> bool {
        self.live
            .as_ref()
            .is_some_and(|l| l.peer.learner().is_some())
    }

    pub fn epoch(&self) -> i64 {
        self.status().map_or(0, |s| s.current_epoch)
    }

    pub fn link(&self, id: LinkId) -> Option<(u64, usize)> {
        self.live.as_ref()?.links.get(&id).copied()
    }

    pub fn attach(&mut self, id: LinkId, number: u64, end: usize) {
        if let Some(live) = &mut self.live {
            live.links.insert(id, (number, end));
        }
    }

    pub fn detach(&mut self, id: LinkId) -> Option<(u64, usize)> {
        let live = self.live.as_mut()?;
        live.receiving.remove(&id);
        live.links.remove(&id)
    }

    /// The process, or the power, fails at the n-th change of the files from now.
    pub(super) fn fail_after(&mut self, n: u64, process_only: bool) {
        self.keeps_files = process_only;
        if process_only {
            self.disk.fail_process_after(n);
        } else {
            self.disk.fail_power_after(n);
        }
    }

    /// Answers of the disk come one after the other.
    pub(super) fn in_order(&mut self, at: u64) -> u64 {
        let Some(live) = &mut self.live else {
            return at;
        };
        live.last_done = at.max(live.last_done + 1);
        live.last_done
    }

    pub(super) fn database_settings(&self) -> DatabaseSettings {
        DatabaseSettings {
            types: TYPES,
            digest: true,
            commit_log: self.commit_log_count,
        }
    }

    /// Reads a snapshot from a leader.
    pub fn receive(&mut self, link: LinkId, bytes: &[u8]) -> Option<Box<Database>> {
        let settings = self.database_settings();
        let zxid = self.live.as_mut()?.receiving.remove(&link)?;
        let mut receiver = wire::Receiver::new(&settings, 1 << 20);
        let mut buf = BytesMut::from(bytes);
        match receiver.take(&mut buf) {
            Ok(true) => Some(receiver.finish(Zxid(zxid), &settings)),
            _ => None,
        }
    }

    fn peer_settings(&self, plan: &Plan) -> PeerSettings {
        PeerSettings {
            id: self.id(),
            server: CoreSettings {
                server_id: self.id(),
                tick_time_ms: plan.tick_time_ms,
                min_session_timeout_ms: 2 * plan.tick_time_ms as i32,
                max_session_timeout_ms: 20 * plan.tick_time_ms as i32,
                snap_count: self.snap_count,
                reconfig_enabled: plan.reconfig,
                providers: Providers {
                    // Every client may be the operator.
                    skip_acl: plan.reconfig,
                    ..Providers::default()
                },
                local_sessions: plan.local_sessions,
                types: TYPES,
                enforce_quota: plan.quotas,
                close_session_txn: !plan.old_closings,
                container_check_interval_ms: 700,
                zxids_per_epoch: plan.zxids_per_epoch,
                local_sessions_upgrading: plan.local_sessions,
                seed: (plan.seed as i64) ^ self.id(),
                ..CoreSettings::default()
            },
            zab: zab::Settings {
                tick_time_ms: plan.tick_time_ms,
                init_limit: plan.init_limit,
                sync_limit: self.sync_limit,
                snapshot_size_factor: plan.snapshot_size_factor,
                reconfig_enabled: plan.reconfig,
                observer_masters: plan.observer_masters,
                ..zab::Settings::default()
            },
            election: election::Settings {
                reconfig: plan.reconfig,
                ..election::Settings::default()
            },
            commit_log_count: self.commit_log_count,
            read_only: plan.read_only,
            oracle: None,
            sync_enabled: true,
            observer_election_delay_ms: 200,
        }
    }

    fn now(&self, world: u64) -> Now {
        Now {
            mono_us: world + 1_000_000,
            wall_ms: MORNING_MS + (world / 1000) as i64 + self.wall_offset_ms,
        }
    }
}

fn store_config(plan: &Plan) -> StoreConfig {
    StoreConfig {
        pre_alloc: if plan.seed % 2 == 0 { 4096 } else { 1 << 16 },
        ..StoreConfig::new("/data")
    }
}

impl World {
    /// Starts a server's process, if it does not run.
    pub(super) fn start(&mut self, index: usize) {
        let server = &mut self.servers[index];
        if server.live.is_some() || !server.enlisted {
            return;
        }
        if server.disk.powered() || server.keeps_files {
            server.disk.power_on();
        } else {
            server.disk.power_cycle();
        }
        server.keeps_files = false;
        server.life += 1;
        let unheard = std::mem::take(&mut server.unheard);
        for (number, end) in unheard {
            self.transmit(number, end, super::net::Message::Closed);
        }
        let made_up = self.servers[index].disk.made_up();
        if let Err(why) = self.open(index) {
            self.say(|| format!("server {} does not start: {why}", index + 1));
            self.coverage.happened("server refused to start");
            let server = &self.servers[index];
            let excused =
                server.damaged || !server.disk.powered() || server.disk.made_up() > made_up;
            if !excused {
                self.fail("StartsAgain", format!("server {}: {why}", index + 1));
            }
            let at = self.now + SECOND;
            self.schedule(at, Event::Start { server: index });
        }
    }

    fn open(&mut self, index: usize) -> Result<(), String> {
        let server = &mut self.servers[index];
        let text = |error: zk_server::store::StoreError| error.to_string();
        let store =
            Store::open(Arc::new(server.disk.clone()), store_config(&self.plan)).map_err(text)?;
        let (mut worker, loaded) = Worker::open(store, server.database_settings()).map_err(text)?;
        let last = loaded.database.last_zxid();
        let epochs = worker.epochs(last).map_err(text)?;
        let id = server.id();
        let start = PeerStart {
            database: loaded.database,
            current_epoch: epochs.current,
            accepted_epoch: epochs.accepted,
            active: server.view.clone(),
            seen: server.seen.clone(),
        };
        let settings = server.peer_settings(&self.plan);
        let lost = server.disk.not_durable();
        let now = server.now(self.now);
        server.live = Some(Box::new(Live {
            peer: Peer::new(settings, start, now),
            worker,
            orders: Vec::new(),
            busy: None,
            tick_at: u64::MAX,
            listens: None,
            links: BTreeMap::new(),
            receiving: BTreeMap::new(),
            conns: BTreeMap::new(),
            status: None,
            leads: false,
            led: false,
            tail: self.facts.real(last.0),
            delivered: 0,
            idle: false,
            last_done: 0,
            outputs: Vec::new(),
        }));
        let life = server.life;
        let tail = self.facts.real(last.0);
        self.facts.durable.insert(id, tail);
        self.facts.epochs.insert(id, epochs.current);
        self.judge([(
            START_IS_DURABLE,
            lost.map_or(Ok(()), |path| {
                Err(format!(
                    "{id} has read {}, which a power cut takes away",
                    path.display()
                ))
            }),
        )]);
        self.say(|| {
            format!(
                "server {id} starts at 0x{:x}, epochs {} {}",
                last.0, epochs.current, epochs.accepted
            )
        });
        self.input(index, life, PeerInput::Tick);
        Ok(())
    }

    /// The process is gone, its files are as the system has them.
    pub(super) fn kill(&mut self, index: usize) {
        self.down(index, true);
        self.servers[index].keeps_files = true;
    }

    /// The machine is gone, with what was not synced.
    pub(super) fn power_cut(&mut self, index: usize) {
        let told = self.rng.chance(30);
        self.down(index, told);
        let server = &mut self.servers[index];
        server.disk.cut_power();
        server.keeps_files = false;
    }

    pub(super) fn down(&mut self, index: usize, told: bool) {
        if self.servers[index].live.is_none() {
            return;
        }
        self.say(|| format!("server {} goes down", index + 1));
        self.drop_conns(index);
        self.drop_links(index, told);
        let server = &mut self.servers[index];
        server.live = None;
        server.life += 1;
        server.deferred.clear();
        server.paused_until = 0;
    }

    pub(super) fn tick(&mut self, index: usize, life: u64) {
        let server = &mut self.servers[index];
        let Some(live) = &mut server.live else {
            return;
        };
        if server.life != life || live.tick_at > self.now {
            return;
        }
        live.tick_at = u64::MAX;
        self.input(index, life, PeerInput::Tick);
    }

    /// Gives an input to a peer and does what it asks for.
    pub(super) fn input(&mut self, index: usize, life: u64, input: PeerInput) {
        let server = &mut self.servers[index];
        if server.life != life {
            return;
        }
        let now = server.now(self.now);
        let Some(live) = &mut server.live else {
            return;
        };
        let mut outputs = std::mem::take(&mut live.outputs);
        live.peer.handle(now, input, &mut outputs);
        self.observe_before(index);
        for output in outputs.drain(..) {
            self.output(index, output);
        }
        self.observe(index);
        let server = &mut self.servers[index];
        if let Some(live) = &mut server.live {
            live.outputs = outputs;
            let deadline = live.peer.next_deadline().unwrap_or(u64::MAX);
            let at = deadline.saturating_sub(1_000_000).max(self.now + 100);
            if at < live.tick_at {
                live.tick_at = at;
                self.schedule(
                    at,
                    Event::Tick {
                        server: index,
                        life,
                    },
                );
            }
        }
        self.begin_disk(index);
    }

    fn listen(&mut self, index: usize, port: Option<Port>) {
        let server = &mut self.servers[index];
        let life = server.life;
        if let Some(live) = &mut server.live {
            live.listens = port;
        }
        if port == Some(Port::Quorum) {
            let input = PeerInput::Listening;
            let server = index;
            self.schedule(
                self.now,
                Event::Input {
                    server,
                    life,
                    input,
                },
            );
        }
    }

    fn output(&mut self, index: usize, output: PeerOutput) {
        match output {
            PeerOutput::Client(output) => self.client_output(index, output),
            PeerOutput::Notify { to, notification } => self.notify(index, to, notification),
            PeerOutput::Listen(port) => self.listen(index, port),
            PeerOutput::Dial { link, server, port } => self.dial(index, link, server, port),
            PeerOutput::Send { link, packet } => self.send_packet(index, link, packet),
            PeerOutput::SendSnapshot { link, image } => {
                let mut bytes = Vec::new();
                let sent = wire::send(&*image.0, 1 << 16, |piece| {
                    bytes.extend_from_slice(&piece);
                    Ok(())
                });
                debug_assert!(sent.is_ok());
                if let Some((number, end)) = self.servers[index].link(link) {
                    let message = super::net::Message::Snapshot(bytes.into());
                    self.transmit(number, 1 - end, message);
                    self.reached(Point::SnapshotSent, index);
                    let life = self.servers[index].life;
                    let input = PeerInput::SnapshotSent { link };
                    let at = self.now + MS;
                    self.schedule(
                        at,
                        Event::Input {
                            server: index,
                            life,
                            input,
                        },
                    );
                }
            }
            PeerOutput::ReceiveSnapshot { link, zxid } => {
                if let Some(live) = &mut self.servers[index].live {
                    live.receiving.insert(link, zxid);
                }
            }
            PeerOutput::Close { link } => self.close_link(index, link),
            PeerOutput::Disk(order) => {
                self.look_at_order(index, &order);
                self.order(index, Order::Disk(order));
            }
            PeerOutput::Configured { view, active } => {
                self.reached(Point::Reconfiguration, index);
                self.order(index, Order::Configured { view, active });
            }
        }
    }

    fn client_output(&mut self, index: usize, output: Output) {
        let life = self.servers[index].life;
        match output {
            Output::Send { conn, bytes } => {
                if let Some(conn) = self.conn_of(index, conn) {
                    self.tell_client(conn, FromServer::Bytes(bytes));
                }
            }
            Output::Close { conn } => {
                if let Some(number) = self.conn_of(index, conn) {
                    if let Some(live) = &mut self.servers[index].live {
                        live.conns.remove(&conn);
                    }
                    self.tell_client(number, FromServer::Closed);
                }
            }
            // Clients keep few requests under way and read at once.
            Output::Pause { .. } | Output::Resume { .. } => {}
            Output::Choke { conn } => {
                let input = PeerInput::Client(Input::Drained { conn });
                let at = self.now + 50;
                self.schedule(
                    at,
                    Event::Input {
                        server: index,
                        life,
                        input,
                    },
                );
            }
            Output::Append { .. }
            | Output::RollLog
            | Output::Snapshot { .. }
            | Output::Quorum(_) => self.fail("Surface", format!("a peer said {output:?}")),
        }
    }
}
