//! What a process costs: CPU time by its own clock, resident memory from `/proc`.

#![allow(clippy::disallowed_methods, reason = "reads /proc")]

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// CPU time, user and system, of all threads of `pid` since it started.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid as i32))
        .with_context(|| format!("process {pid} has no CPU clock; is it still running?"))?;
    Ok(clock_gettime(clock)?.into())
}

/// User CPU time alone, in the resolution of the kernel's ticks (10 ms).
pub fn user_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command may hold spaces and parentheses: fields count from the last parenthesis.
    let rest = stat
        .rsplit_once(')')
        .map_or(stat.as_str(), |(_, rest)| rest);
    let ticks: u64 = rest
        .split_whitespace()
        .nth(11)
        .context("short /proc/PID/stat")?
        .parse()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100) as u64;
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}

/// Resident memory in KiB.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line
        .split_whitespace()
        .nth(1)
        .context("VmRSS without a value")?
        .parse()?)
}
