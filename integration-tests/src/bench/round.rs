//! One round of load: how much was done, how long each request took, what the server paid.

#![allow(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock"
)]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What one round measured.
#[derive(Debug, Default, Clone)]
pub struct Round {
    pub operations: u64,
    /// payload bytes moved, for loads that count bytes
    pub bytes: u64,
    pub elapsed: Duration,
    /// microseconds, sorted once the round ends
    pub latencies: Vec<u32>,
    pub cpu: Duration,
    pub user: Duration,
}

impl Round {
    /// The latency in microseconds below which `share` (0 to 1) of the requests stayed.
    pub fn percentile(&self, share: f64) -> f64 {
        if self.latencies.is_empty() {
            return 0.0;
        }
        let last = self.latencies.len() - 1;
        f64::from(self.latencies[(last as f64 * share).round() as usize])
    }

    pub fn cpu_us_per_operation(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.operations.max(1) as f64
    }

    pub fn cpu_s_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes.max(1) as f64 / 1e9)
    }

    pub fn user_s_per_gb(&self) -> f64 {
        self.user.as_secs_f64() / (self.bytes.max(1) as f64 / 1e9)
    }

    pub fn operations_per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// When a round sends no more.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Time(Duration),
    /// so many requests were sent
    Count(u64),
}

impl Until {
    fn left(self, start: Instant, sent: u64) -> usize {
        match self {
            Self::Time(time) if start.elapsed() >= time => 0,
            Self::Time(_) => usize::MAX,
            Self::Count(count) => count.saturating_sub(sent) as usize,
        }
    }
}

/// Keeps `window` requests in flight on one connection. `request` appends one request
/// frame to the buffer; `reply` checks one reply frame (length stripped) and returns its payload
/// bytes.
pub fn pipelined(
    stream: &mut TcpStream,
    window: usize,
    until: Until,
    mut request: impl FnMut(&mut Vec<u8>),
    mut reply: impl FnMut(&[u8]) -> Result<u64>,
) -> Result<Round> {
    let mut round = Round::default();
    let mut sent = VecDeque::with_capacity(window);
    let mut out = Vec::new();
    let mut inbox = Inbox::default();
    let start = Instant::now();
    loop {
        let left = until.left(start, round.operations + sent.len() as u64);
        if left > 0 {
            out.clear();
            let now = Instant::now();
            for _ in 0..left.min(window - sent.len()) {
                request(&mut out);
                sent.push_back(now);
            }
            if !out.is_empty() {
                stream.write_all(&out)?;
            }
        }
        if sent.is_empty() {
            break;
        }
        inbox.fill(stream)?;
        let now = Instant::now();
        while let Some(frame) = inbox.next() {
            round.bytes += reply(frame)?;
            let Some(at) = sent.pop_front() else {
                bail!("a reply that nobody asked for")
            };
            round
                .latencies
                .push(now.duration_since(at).as_micros().min(u32::MAX as u128) as u32);
            round.operations += 1;
        }
    }
    round.elapsed = start.elapsed();
    round.latencies.sort_unstable();
    Ok(round)
}

/// Reassembles frames of a 4-byte length and a body.
#[derive(Debug, Default)]
pub struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// Waits until at least one more read has brought bytes, and a whole frame when one had begun.
    pub fn fill(&mut self, stream: &mut TcpStream) -> Result<()> {
        loop {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let wanted = self.frame_len().unwrap_or(0).max(256 * 1024);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            let n = stream.read(&mut self.buffer[self.end..])?;
            if n == 0 {
                bail!("the server closed the connection");
            }
            self.end += n;
            if self
                .frame_len()
                .is_some_and(|len| self.end - self.start >= len)
            {
                return Ok(());
            }
        }
    }

    fn frame_len(&self) -> Option<usize> {
        let head = self.buffer.get(self.start..self.start + 4)?;
        (self.end - self.start >= 4)
            .then(|| 4 + u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize)
    }

    /// The next whole frame without its length.
    #[allow(clippy::should_implement_trait, reason = "lends from itself")]
    pub fn next(&mut self) -> Option<&[u8]> {
        let len = self.frame_len()?;
        if self.end - self.start < len {
            return None;
        }
        let from = self.start + 4;
        self.start += len;
        Some(&self.buffer[from..self.start])
    }
}
