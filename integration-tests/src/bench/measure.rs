//! Rounds of ours and Apache's in turn, and what they cost the servers.
//!
//! Only neighbouring rounds are compared: a machine's speed changes within minutes, and its
//! neighbours' within seconds. Apache's round goes first and lasts as long as asked; ours of a
//! writing load then does the same number of requests, so that both sides hold and snapshot, roll
//! and delete as much.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads clocks and starts what it measures"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};

use super::process;
use super::round::{Round, Until, pipelined};
use super::side::Side;
use super::table::Comparison;

/// A server and the load generator that is connected to it.
#[derive(Debug)]
pub struct Measured<L> {
    pub side: Side,
    pub load: L,
}

impl<L> Measured<L> {
    /// One round and what it cost, with the work that it left behind (snapshots, deletions).
    pub fn round(&mut self, run: impl FnOnce(&mut L) -> Result<Round>) -> Result<Round> {
        let pid = self.side.pid();
        settle(pid)?;
        let (cpu, user) = (process::cpu_time(pid)?, process::user_time(pid)?);
        let mut round = run(&mut self.load)?;
        settle(pid)?;
        round.cpu = process::cpu_time(pid)? - cpu;
        round.user = process::user_time(pid)? - user;
        Ok(round)
    }
}

/// Waits until a process has nothing more to do, but not for ever.
pub(super) fn settle(pid: u32) -> Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    let begun = Instant::now();
    let mut last = process::cpu_time(pid)?;
    while begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(STEP);
        let now = process::cpu_time(pid)?;
        if now - last < STEP / 25 {
            break;
        }
        last = now;
    }
    Ok(())
}

/// How rounds of a load are made comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// both sides for the same time
    Reads,
    /// both sides the same number of requests
    Writes,
}

/// Both sides and how often they are compared.
#[derive(Debug)]
pub struct Pair<L> {
    pub ours: Measured<L>,
    pub java: Measured<L>,
    pub rounds: usize,
    pub time: Duration,
}

impl<L> Pair<L> {
    /// Compares one load. `before` runs around every pair of rounds and measures their floor.
    pub fn compare(
        &mut self,
        name: &str,
        kind: Kind,
        before: &mut dyn FnMut() -> Result<f64>,
        run: &dyn Fn(&mut L, Until) -> Result<Round>,
    ) -> Result<Comparison> {
        let mut comparison = Comparison {
            name: name.to_owned(),
            pairs: Vec::new(),
            floor: Vec::new(),
        };
        for _ in 0..self.rounds {
            let floor = before()?;
            let (ours, java) = self.pair(kind, self.time, run)?;
            comparison.floor.push(floor.midpoint(before()?));
            comparison.pairs.push((ours, java));
        }
        Ok(comparison)
    }

    /// Runs a load for `time` without looking at it: the JVM compiles its hot paths first, and a
    /// cold one is no measure.
    pub fn warm_up(
        &mut self,
        kind: Kind,
        time: Duration,
        run: &dyn Fn(&mut L, Until) -> Result<Round>,
    ) -> Result<()> {
        self.pair(kind, time, run).map(drop).context("warm-up")
    }

    fn pair(
        &mut self,
        kind: Kind,
        time: Duration,
        run: &dyn Fn(&mut L, Until) -> Result<Round>,
    ) -> Result<(Round, Round)> {
        let java = self.java.round(|load| run(load, Until::Time(time)))?;
        let until = match kind {
            Kind::Reads => Until::Time(time),
            Kind::Writes => Until::Count(java.operations),
        };
        let ours = self.ours.round(|load| run(load, until))?;
        Ok((ours, java))
    }
}

/// A server that does nothing but answer: what a round trip costs kernel and load generator.
#[derive(Debug)]
pub struct EchoProbe {
    stream: TcpStream,
}

impl EchoProbe {
    /// A getData request and its answer have about this length.
    const FRAME: [u8; 160] = [0; 160];

    pub fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut echo, _) = listener.accept()?;
        for stream in [&stream, &echo] {
            stream.set_nodelay(true)?;
        }
        // It ends with its connection.
        std::thread::spawn(move || {
            let mut frame = Self::FRAME;
            while echo.read_exact(&mut frame).is_ok() && echo.write_all(&frame).is_ok() {}
        });
        Ok(Self { stream })
    }

    pub fn p99_us(&mut self, time: Duration) -> Result<f64> {
        let length = (Self::FRAME.len() - 4) as u32;
        let request = |out: &mut Vec<u8>| {
            out.extend(length.to_be_bytes());
            out.extend(&Self::FRAME[4..]);
        };
        let stream = &mut self.stream;
        let round = pipelined(stream, 1, Until::Time(time), request, |_| Ok(0))?;
        Ok(round.percentile(0.99))
    }
}

/// A server that does nothing but keep what it gets: what a byte that is received and written costs
/// the kernel.
#[derive(Debug)]
pub struct KeepProbe {
    stream: TcpStream,
    /// CPU time of the probe's thread so far, in nanoseconds
    cpu: Arc<AtomicU64>,
}

impl KeepProbe {
    /// Files as large as the segments of the broker's topic; the one before is deleted.
    const FILE: u64 = 128 << 20;

    /// Keeps frames of `size` bytes in `dir`.
    pub fn new(dir: &Path, size: usize) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (peer, _) = listener.accept()?;
        for stream in [&stream, &peer] {
            stream.set_nodelay(true)?;
        }
        let cpu = Arc::new(AtomicU64::new(0));
        let (path, spent) = (dir.join("keep.probe"), cpu.clone());
        // It ends with its connection.
        std::thread::spawn(move || Self::keep(peer, &path, size, &spent));
        Ok(Self { stream, cpu })
    }

    fn keep(mut peer: TcpStream, path: &Path, size: usize, cpu: &AtomicU64) -> Result<()> {
        let mut frame = vec![0; 4 + size];
        let mut file = File::create(path)?;
        let mut written = 0;
        while peer.read_exact(&mut frame).is_ok() {
            file.write_all(&frame)?;
            written += frame.len() as u64;
            if written >= Self::FILE {
                fs::remove_file(path)?;
                file = File::create(path)?;
                written = 0;
            }
            let spent: Duration = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into();
            cpu.store(spent.as_nanos() as u64, Ordering::Relaxed);
            peer.write_all(&[0, 0, 0, 1, 0])?;
        }
        Ok(())
    }

    /// CPU seconds for a GB, `window` frames in flight.
    pub fn cpu_s_per_gb(&mut self, size: usize, window: usize, time: Duration) -> Result<f64> {
        let mut frame = (size as u32).to_be_bytes().to_vec();
        frame.resize(4 + size, b'x');
        let spent = |cpu: &AtomicU64| Duration::from_nanos(cpu.load(Ordering::Relaxed));
        let before = spent(&self.cpu);
        let mut round = pipelined(
            &mut self.stream,
            window,
            Until::Time(time),
            |out| out.extend_from_slice(&frame),
            |_| Ok(frame.len() as u64),
        )?;
        round.cpu = spent(&self.cpu) - before;
        Ok(round.cpu_s_per_gb())
    }
}

/// The disk's own price of a commit: p99 of a small append and `fdatasync`, in microseconds.
#[derive(Debug)]
pub struct DiskProbe {
    file: File,
    at: u64,
}

impl DiskProbe {
    /// What one `fdatasync` covers at 64 requests of 100 bytes in flight, about.
    const APPEND: [u8; 8192] = [1; 8192];
    const SIZE: u64 = 64 << 20;

    /// A preallocated file in `dir`, as a transaction log is one.
    pub fn new(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let file = File::create(dir.join("fdatasync.probe"))?;
        file.set_len(Self::SIZE)?;
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    pub fn p99_us(&mut self, time: Duration) -> Result<f64> {
        let mut round = Round::default();
        let start = Instant::now();
        while start.elapsed() < time {
            let before = Instant::now();
            self.file.write_all_at(&Self::APPEND, self.at)?;
            self.file.sync_data()?;
            self.at = (self.at + Self::APPEND.len() as u64) % Self::SIZE;
            round.latencies.push(before.elapsed().as_micros() as u32);
        }
        round.latencies.sort_unstable();
        Ok(round.percentile(0.99))
    }
}
