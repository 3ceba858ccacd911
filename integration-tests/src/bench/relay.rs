//! What no ensemble can do without: three processes that pass the messages of a write on, in ZAB's order,
//! and sync. No tree, no sessions, no checks, no second thread; what it costs is the kernel's.

#![allow(
    clippy::disallowed_methods,
    reason = "starts processes that write files and wait for sockets"
)]

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proto::jute::Jute;
use proto::zk::response::{ConnectResponse, ReplyHeader};
use proto::zk::stat::Stat;

use super::Plan;
use super::side::free_addr;
use super::zk_load::{ZkLoad, frame};

/// Three of them, and a load to each.
#[derive(Debug)]
pub struct Relays {
    children: Vec<Child>,
}

impl Relays {
    pub fn start(plan: &Plan, dir: &Path) -> Result<(Self, Vec<ZkLoad>)> {
        let (quorum, addrs) = (free_addr()?, [free_addr()?, free_addr()?, free_addr()?]);
        let mut relays = Self {
            children: Vec::new(),
        };
        for (id, addr) in addrs.iter().enumerate() {
            let mut command = Command::new(plan.binaries.join("bench-relay"));
            command
                .arg(id.to_string())
                .args([addr.to_string(), quorum.to_string()])
                .arg(dir.join(format!("relay-{id}")))
                .stdin(Stdio::null());
            let child = command.spawn();
            relays
                .children
                .push(child.with_context(|| format!("cannot start {command:?}"))?);
        }
        let loads = addrs.iter().enumerate().map(|(id, &addr)| {
            // It listens in a moment.
            drop(patient_connect(addr)?);
            ZkLoad::prepare(addr, &id.to_string())
        });
        let loads = loads.collect::<Result<_>>()?;
        Ok((relays, loads))
    }

    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn patient_connect(addr: SocketAddr) -> Result<TcpStream> {
    const TRIES: u32 = 1000;
    for _ in 0..TRIES {
        match TcpStream::connect(addr) {
            Ok(stream) => return Ok(stream),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    bail!("nobody listens on {addr}")
}

/// Number of the one that orders the writes.
const LEADER: usize = 0;

/// A message's first byte; the second one is the relay whose client asked. Lengths are about those
/// of a `setData` of 100 bytes.
mod kind {
    pub(super) const REQUEST: u8 = 1;
    pub(super) const PROPOSAL: u8 = 2;
    pub(super) const ACK: u8 = 3;
    pub(super) const COMMIT: u8 = 4;

    pub(super) fn length(kind: u8) -> usize {
        match kind {
            REQUEST => 180,
            PROPOSAL => 290,
            _ => 40,
        }
    }
}

/// A connection, read and written as a whole at each turn.
struct Pipe {
    stream: TcpStream,
    inbox: Vec<u8>,
    out: Vec<u8>,
}

impl Pipe {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: Vec::new(),
            out: Vec::new(),
        })
    }

    /// False at its end.
    fn fill(&mut self, scratch: &mut [u8]) -> bool {
        match self.stream.read(scratch) {
            Ok(n) if n > 0 => self.inbox.extend_from_slice(&scratch[..n]),
            _ => return false,
        }
        true
    }

    /// Takes out whole frames, lengths stripped.
    fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut rest = self.inbox.as_slice();
        while let Some((length, body)) = rest.split_first_chunk() {
            let Some((body, behind)) = body.split_at_checked(u32::from_be_bytes(*length) as usize)
            else {
                break;
            };
            frames.push(body.to_vec());
            rest = behind;
        }
        let used = self.inbox.len() - rest.len();
        self.inbox.drain(..used);
        frames
    }

    fn put(&mut self, kind: u8, origin: usize) {
        frame(&mut self.out, |out| {
            let end = out.len() + kind::length(kind);
            out.extend([kind, origin as u8]);
            out.resize(end, 0);
        });
    }

    fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }
}

struct Relay {
    id: usize,
    clients: Vec<(Pipe, bool)>,
    /// the leader's to the others, another's to the leader
    links: Vec<Pipe>,
    log: Vec<u8>,
    file: File,
    at: u64,
    /// of the leader: who asked for what is not committed, how much each has synced, how much is
    /// committed
    waiting: VecDeque<usize>,
    synced: [u64; 3],
    committed: u64,
}

/// One of the three; returns when another one has gone.
pub fn serve(id: usize, client: SocketAddr, quorum: SocketAddr, path: &Path) -> Result<()> {
    const SIZE: u64 = 64 << 20;
    fs::create_dir_all(path.parent().context("a file in a folder")?)?;
    let file = File::create(path)?;
    file.set_len(SIZE)?;
    file.sync_all()?;
    let clients = TcpListener::bind(client)?;
    let links = if id == LEADER {
        let listener = TcpListener::bind(quorum)?;
        vec![
            Pipe::new(listener.accept()?.0)?,
            Pipe::new(listener.accept()?.0)?,
        ]
    } else {
        vec![Pipe::new(patient_connect(quorum)?)?]
    };
    let mut relay = Relay {
        id,
        clients: Vec::new(),
        links,
        log: Vec::new(),
        file,
        at: 0,
        waiting: VecDeque::new(),
        synced: [0; 3],
        committed: 0,
    };
    let mut scratch = vec![0; 256 << 10];
    while relay.turn(&clients, &mut scratch)? {
        relay.at %= SIZE;
    }
    Ok(())
}

impl Relay {
    fn turn(&mut self, listener: &TcpListener, scratch: &mut [u8]) -> Result<bool> {
        let ready = self.wait(listener)?;
        let (links, rest) = ready.split_at(self.links.len());
        for at in (0..links.len()).filter(|&at| links[at]) {
            if !self.links[at].fill(scratch) {
                return Ok(false);
            }
            for message in self.links[at].frames() {
                self.message(at, message[0], usize::from(message[1]));
            }
        }
        let (clients, new) = rest.split_at(self.clients.len());
        for at in (0..clients.len()).rev().filter(|&at| clients[at]) {
            if self.clients[at].0.fill(scratch) {
                self.requests(at);
            } else {
                self.clients.remove(at);
            }
        }
        if new == [true] {
            self.clients.push((Pipe::new(listener.accept()?.0)?, false));
        }
        self.flush()?;
        self.sync()?;
        Ok(true)
    }

    fn wait(&self, listener: &TcpListener) -> Result<Vec<bool>> {
        let links = self.links.iter().map(|link| link.stream.as_fd());
        let clients = self.clients.iter().map(|(pipe, _)| pipe.stream.as_fd());
        let all = links.chain(clients).chain([listener.as_fd()]);
        let mut fds: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::NONE)?;
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok(fds.iter().map(ready).collect())
    }

    fn requests(&mut self, at: usize) {
        for _ in self.clients[at].0.frames() {
            if !std::mem::replace(&mut self.clients[at].1, true) {
                let answer = ConnectResponse {
                    timeout: 40_000,
                    session_id: 1,
                    password: Some(&[0; 16]),
                    ..ConnectResponse::default()
                };
                frame(&mut self.clients[at].0.out, |out| answer.write(out));
            } else if self.id == LEADER {
                self.propose(LEADER);
            } else {
                self.links[0].put(kind::REQUEST, self.id);
            }
        }
    }

    fn message(&mut self, from: usize, kind: u8, origin: usize) {
        match kind {
            kind::REQUEST => self.propose(origin),
            kind::PROPOSAL => self.record(),
            kind::ACK => self.acknowledge(from + 1),
            _ => self.answer(origin),
        }
    }

    fn propose(&mut self, origin: usize) {
        self.waiting.push_back(origin);
        for link in &mut self.links {
            link.put(kind::PROPOSAL, origin);
        }
        self.record();
    }

    fn record(&mut self) {
        self.log
            .resize(self.log.len() + kind::length(kind::PROPOSAL), 1);
    }

    fn acknowledge(&mut self, by: usize) {
        self.synced[by] += 1;
        let mut synced = self.synced;
        synced.sort_unstable();
        while self.committed < synced[1] {
            self.committed += 1;
            let Some(origin) = self.waiting.pop_front() else {
                return;
            };
            for link in &mut self.links {
                link.put(kind::COMMIT, origin);
            }
            self.answer(origin);
        }
    }

    fn answer(&mut self, origin: usize) {
        if origin != self.id {
            return;
        }
        // The load's connection is the last one.
        if let Some((client, _)) = self.clients.last_mut() {
            frame(&mut client.out, |out| {
                let header = ReplyHeader {
                    xid: 1,
                    zxid: 1,
                    err: 0,
                };
                header.write(out);
                Stat::default().write(out);
            });
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.links.iter_mut().try_for_each(Pipe::flush)?;
        for (client, _) in &mut self.clients {
            match client.flush() {
                Err(error) if gone(&error) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// One write and one sync for all that came in this turn.
    fn sync(&mut self) -> Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(&self.log, self.at)?;
        self.file.sync_data()?;
        self.at += self.log.len() as u64;
        let records = self.log.len() / kind::length(kind::PROPOSAL);
        self.log.clear();
        for _ in 0..records {
            if self.id == LEADER {
                self.acknowledge(LEADER);
            } else {
                self.links[0].put(kind::ACK, self.id);
            }
        }
        self.flush()
    }
}

/// The client has closed; its end is read next.
fn gone(error: &anyhow::Error) -> bool {
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(|error| error.kind());
    matches!(
        kind,
        Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
    )
}
