//! The figures of the process itself, under the names that Prometheus' client libraries share; zeros
//! where there is no `/proc`. What belongs to a JVM alone has no counterpart.
#![allow(clippy::disallowed_methods, reason = "reads /proc")]

use nix::sys::resource::{Resource, getrlimit};
use proto::telemetry::MetricFamily;

/// Appends the `process_*` families.
#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
pub fn families(out: &mut Vec<MetricFamily>) {
    let stat = Stat::read();
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    out.push(MetricFamily::counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        stat.cpu_seconds,
    ));
    for (name, help, value) in [
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            stat.started,
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            open as f64,
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            most as f64,
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            stat.virtual_bytes,
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            resident_bytes(),
        ),
    ] {
        out.push(MetricFamily::gauge(name, help, value));
    }
}

/// What this process had disks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskIo {
    pub read: u64,
    pub written: u64,
}

/// `None` where the system does not tell.
pub fn disk_io() -> Option<DiskIo> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some(DiskIo {
        read: of("read_bytes:")?,
        written: of("write_bytes:")?,
    })
}

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
        .and_then(|kb| kb.parse().ok())
        .unwrap_or(0.0);
    kb * 1024.0
}

/// What `/proc/self/stat` tells.
struct Stat {
    cpu_seconds: f64,
    virtual_bytes: f64,
    /// seconds since 1970
    started: f64,
}

impl Stat {
    fn read() -> Self {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<f64> = after_name
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or(0.0);
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
        #[allow(clippy::cast_precision_loss, reason = "100 on every Linux")]
        let per_second = per_second.ok().flatten().unwrap_or(100) as f64;
        let system = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = system
            .lines()
            .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
            .unwrap_or(0.0);
        Self {
            cpu_seconds: (field(11) + field(12)) / per_second,
            virtual_bytes: field(20),
            started: boot + field(19) / per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_figures() {
        let mut families = Vec::new();
        super::families(&mut families);
        let value = |at: usize| families[at].metric[0].gauge.as_ref().and_then(|g| g.value);
        assert!(value(2).unwrap() > 0.0);
        assert!(value(5).unwrap() > 100_000.0);
    }
}
