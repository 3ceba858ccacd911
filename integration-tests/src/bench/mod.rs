//! The benchmark's parts: load generators that speak the raw protocols, so that the server is
//! measured and not a client library, the accounting of the measured processes, and what is
//! compared with what.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

pub mod ensemble;
pub mod kafka;
pub mod kafka_load;
pub mod measure;
pub mod process;
pub mod record;
pub mod relay;
pub mod round;
pub mod side;
pub mod storm;
pub mod table;
pub mod zk_load;
pub mod zookeeper;

use side::Side;
use table::{Table, Target};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// folder of our release binaries
    pub binaries: PathBuf,
    /// pairs of rounds of each load
    pub rounds: usize,
    /// of a round of Apache's
    pub time: Duration,
    /// part of the names of the loads to run; all when empty
    pub only: String,
}

impl Plan {
    /// Whether this load is to run.
    pub fn wants(&self, load: &str) -> bool {
        load.contains(&self.only)
    }
}

/// Ready time and idle memory, with the absolute limits of ours.
fn start_figures(
    table: &mut Table,
    ours: &Side,
    java: &Side,
    ready_s: f64,
    mib: f64,
) -> Result<()> {
    let (a, b) = (ours.ready.as_secs_f64(), java.ready.as_secs_f64());
    let ready = Target::Ours(ready_s);
    table.plain("start", "s to first answer", (a, b, a / b), ready);
    resident(table, "idle", ours, java, Target::Ours(mib))
}

fn resident(table: &mut Table, load: &str, ours: &Side, java: &Side, target: Target) -> Result<()> {
    let mib = |side: &Side| -> Result<f64> { Ok(side.resident_kib()? as f64 / 1024.0) };
    let (a, b) = (mib(ours)?, mib(java)?);
    table.plain(load, "resident MiB", (a, b, a / b), target);
    Ok(())
}
