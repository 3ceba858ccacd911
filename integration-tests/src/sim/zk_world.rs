//! A whole zk-server without threads, sockets or time: its core and its files, with the simulated
//! disk under them. The world decides when the log syncs, when a snapshot is finished and when time
//! passes; it never looks into the server.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use proto::jute::Jute;
use proto::zk::request::ConnectRequest;
use proto::zk::response::ConnectResponse;
use proto::zk::txn::TxnHeader;
use zk_server::core::io::{Input, Output};
use zk_server::core::{Server, Settings};
use zk_server::store::image::{Image, ImageSink};
use zk_server::store::{Replay, Store, StoreConfig, StoreError};
use zk_server::tree::{Database, EphemeralTypes};
use zk_server::units::{ConnId, Now, Zxid};

use crate::disk::SimDisk;
use crate::zk::plain_connect;

/// The power has failed, or the disk: this life of the server is over.
#[derive(Debug, thiserror::Error)]
#[error("the server is down: {0}")]
pub struct Power(#[from] pub StoreError);

/// A client's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimConn(ConnId);

/// What the world still has to do for the server.
#[derive(Debug)]
enum Work {
    Append(Zxid, Bytes),
    Roll,
    Snapshot(Image),
}

#[derive(Debug, Default)]
struct Wire {
    to_client: Vec<u8>,
    closed: bool,
}

/// One life of a server, from start to power cut.
#[derive(Debug)]
pub struct ZkWorld {
    now: Now,
    server: Server,
    store: Store,
    work: VecDeque<Work>,
    /// what was appended and waits for the sync
    appended: Option<Zxid>,
    wires: BTreeMap<ConnId, Wire>,
    next_conn: u64,
    /// of everything that was sent to clients
    fingerprint: u64,
}

struct Restoring {
    database: Database,
    types: EphemeralTypes,
}

impl Replay for Restoring {
    fn restart(&mut self) {
        self.database = Database::for_snapshot(self.types, true);
    }

    fn begin_new(&mut self) {
        self.database = Database::new(self.types, true);
    }

    fn sink(&mut self) -> &mut dyn ImageSink {
        &mut self.database
    }

    fn loaded(&mut self, zxid: Zxid) -> Result<(), String> {
        assert!(
            self.database.loaded(zxid),
            "digest of the snapshot at {zxid:?}"
        );
        Ok(())
    }

    fn apply(&mut self, _: &TxnHeader, record: &[u8]) -> Result<(), String> {
        self.database
            .apply_logged(record)
            .map(drop)
            .map_err(|e| e.to_string())
    }

    fn image(&self) -> Image {
        self.database.image()
    }
}

impl ZkWorld {
    /// Starts a server on what the disk holds.
    pub fn start(
        disk: &SimDisk,
        files: StoreConfig,
        settings: Settings,
        now: Now,
    ) -> Result<Self, Power> {
        let types = settings.types;
        let mut store = Store::open(Arc::new(disk.clone()), files)?;
        let mut restoring = Restoring {
            database: Database::new(types, true),
            types,
        };
        store.recover(&mut restoring)?;
        let database = restoring.database;
        assert_eq!(
            database.digest_mismatches(),
            0,
            "the log tells of another tree"
        );
        Ok(Self {
            now,
            server: Server::new(settings, database, now),
            store,
            work: VecDeque::new(),
            appended: None,
            wires: BTreeMap::new(),
            next_conn: 1,
            fingerprint: 0xcbf2_9ce4_8422_2325,
        })
    }

    pub fn now(&self) -> Now {
        self.now
    }

    /// A number that two runs have in common only when clients were sent the same bytes.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// A client connects and asks for a session; settles until it has one.
    pub fn connect(&mut self, request: &ConnectRequest<'_>) -> Result<SimConn, Power> {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.wires.insert(conn, Wire::default());
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000));
        self.input(Input::Connected { conn, peer });
        self.send(SimConn(conn), &plain_connect(request));
        self.settle()?;
        Ok(SimConn(conn))
    }

    /// A new session with that timeout.
    pub fn session(&mut self, timeout: i32) -> Result<(SimConn, i64), Power> {
        let conn = self.connect(&ConnectRequest {
            timeout,
            password: Some(&[0; 16]),
            ..ConnectRequest::default()
        })?;
        let frames = self.receive(conn);
        let response = frames
            .first()
            .map(|frame| ConnectResponse::from_bytes(frame));
        let session = response.and_then(Result::ok).map_or(0, |r| r.session_id);
        Ok((conn, session))
    }

    /// Bytes from a client: whole frames.
    pub fn send(&mut self, conn: SimConn, frames: &[u8]) {
        if self.wires.get(&conn.0).is_some_and(|wire| !wire.closed) {
            let frames = Bytes::copy_from_slice(frames);
            self.input(Input::Frames {
                conn: conn.0,
                frames,
            });
        }
    }

    /// The frames that have come for a client, without their lengths.
    pub fn receive(&mut self, conn: SimConn) -> Vec<Vec<u8>> {
        let Some(wire) = self.wires.get_mut(&conn.0) else {
            return Vec::new();
        };
        let bytes = std::mem::take(&mut wire.to_client);
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let (frame, tail) = tail.split_at(u32::from_be_bytes(*head) as usize);
            frames.push(frame.to_vec());
            rest = tail;
        }
        frames
    }

    pub fn closed(&self, conn: SimConn) -> bool {
        self.wires.get(&conn.0).is_none_or(|wire| wire.closed)
    }

    /// Drops a connection without a goodbye.
    pub fn disconnect(&mut self, conn: SimConn) {
        if self.wires.remove(&conn.0).is_some() {
            self.input(Input::Disconnected { conn: conn.0 });
        }
    }

    /// Time passes in one piece: the server does nothing meanwhile.
    pub fn stall(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.now.wall_ms += ms as i64;
        self.input(Input::Tick);
    }

    /// Time passes, and the server is woken whenever it asks to be.
    pub fn sleep(&mut self, ms: u64) -> Result<(), Power> {
        let end = self.now.mono_us + ms * 1000;
        while self.now.mono_us < end {
            let next = self.server.next_deadline().unwrap_or(end);
            let next = next.clamp(self.now.mono_us + 1000, end.max(self.now.mono_us + 1000));
            self.now.wall_ms += ((next - self.now.mono_us) / 1000) as i64;
            self.now.mono_us = next;
            self.input(Input::Tick);
            self.settle()?;
        }
        Ok(())
    }

    /// Does one piece of what the server waits for; false when there was none.
    pub fn step(&mut self) -> Result<bool, Power> {
        match self.work.pop_front() {
            Some(Work::Append(zxid, record)) => {
                self.store.append(zxid, &record)?;
                self.appended = Some(zxid);
            }
            Some(Work::Roll) => {
                self.sync()?;
                self.store.roll()?;
            }
            Some(Work::Snapshot(image)) => {
                let zxid = image.0.zxid();
                self.store.snapshots().write(&*image.0)?;
                self.input(Input::SnapshotDone { zxid, ok: true });
            }
            None if self.appended.is_some() => self.sync()?,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Makes durable what was appended, and tells the server.
    pub fn sync(&mut self) -> Result<(), Power> {
        if let Some(zxid) = self.appended.take() {
            self.store.sync()?;
            self.input(Input::Logged { zxid });
        }
        Ok(())
    }

    /// Until the server waits for nothing.
    pub fn settle(&mut self) -> Result<(), Power> {
        while self.step()? {}
        Ok(())
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        let mut choked = Vec::new();
        self.server.handle(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Send { conn, bytes } => {
                    for byte in &bytes {
                        self.fingerprint =
                            (self.fingerprint ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
                    }
                    if let Some(wire) = self.wires.get_mut(&conn) {
                        assert!(!wire.closed, "bytes for a closed connection");
                        wire.to_client.extend_from_slice(&bytes);
                    }
                }
                Output::Close { conn } => {
                    if let Some(wire) = self.wires.get_mut(&conn) {
                        wire.closed = true;
                    }
                }
                // The world's clients keep few requests under way.
                Output::Pause { .. } | Output::Resume { .. } => {}
                Output::Choke { conn } => choked.push(conn),
                Output::Append { zxid, record } => self.work.push_back(Work::Append(zxid, record)),
                Output::RollLog => self.work.push_back(Work::Roll),
                Output::Quorum(told) => panic!("a server alone told a quorum: {told:?}"),
                Output::Snapshot { image } => self.work.push_back(Work::Snapshot(image)),
            }
        }
        self.server.drain_events();
        // Its clients read at once.
        for conn in choked {
            self.input(Input::Drained { conn });
        }
    }
}
