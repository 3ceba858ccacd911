//! Signals that stop a daemon: SIGTERM, SIGINT. SIGHUP stops it too, as it stops a JVM, unless it
//! was ignored at start (`nohup`), which the system keeps for us.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the signal to stop.
#[derive(Debug)]
pub struct StopSignals {
    term: Signal,
    int: Signal,
}

impl StopSignals {
    /// Begins to listen; from here on these signals no longer kill the process.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the signal that came.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}
