//! The two servers of a comparison: started on free loopback ports in a folder of their own, and
//! ended with the value.

#![allow(clippy::disallowed_methods, reason = "starts servers and times them")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process;

/// A running server under measurement.
#[derive(Debug)]
pub struct Side {
    pub child: Child,
    pub addr: SocketAddr,
    /// from exec to the first answer
    pub ready: Duration,
    pub log: PathBuf,
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Side {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts `command` with its output in `dir`, and waits until `answers` says yes.
    pub fn start(
        mut command: Command,
        dir: &Path,
        addr: SocketAddr,
        answers: impl Fn(SocketAddr) -> bool,
    ) -> Result<Self> {
        let log = dir.join("out.log");
        let out = File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let mut side = Self {
            child,
            addr,
            ready: Duration::ZERO,
            log,
        };
        while !answers(addr) {
            if side.child.try_wait()?.is_some() || start.elapsed() > Duration::from_secs(120) {
                let said = fs::read_to_string(&side.log).unwrap_or_default();
                bail!("{command:?} does not serve on {addr}:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        side.ready = start.elapsed();
        Ok(side)
    }

    pub fn resident_kib(&self) -> Result<u64> {
        process::resident_kib(self.pid())
    }
}

/// A port of the loopback interface that nobody listens on now.
pub fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether a ZooKeeper server answers `srvr`.
pub fn answers_srvr(addr: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"srvr")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.contains("Mode: "))
}

/// Whether a broker answers ApiVersions v0.
pub fn answers_api_versions(addr: SocketAddr) -> bool {
    let ask = || -> std::io::Result<[u8; 10]> {
        let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // size 10, key 18, version 0, correlation 1, no client id
        stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255])?;
        let mut head = [0; 10];
        stream.read_exact(&mut head)?;
        Ok(head)
    };
    ask().is_ok_and(|head| head[8..] == [0, 0])
}
