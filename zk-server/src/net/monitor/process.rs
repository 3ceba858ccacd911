//! The figures of the process itself, under the names that Prometheus' client libraries share
//! (`metricsProvider.exportJvmInfo`; what belongs to a JVM alone has no counterpart).

use proto::telemetry::MetricFamily;

use crate::net::{Net, environment};

#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
pub(super) fn families(net: &Net, out: &mut Vec<MetricFamily>) {
    let memory = environment::Memory::read();
    let (cpu, virtual_bytes, started) = stat();
    let gauge = |name: &str, help: &str, value: f64| MetricFamily::gauge(name, help, value);
    out.push(MetricFamily::counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        cpu,
    ));
    out.push(gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        started,
    ));
    out.push(gauge(
        "process_open_fds",
        "Number of open file descriptors.",
        environment::open_file_count() as f64,
    ));
    out.push(gauge(
        "process_max_fds",
        "Maximum number of open file descriptors.",
        net.open_files.soft as f64,
    ));
    out.push(gauge(
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        virtual_bytes,
    ));
    out.push(gauge(
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        (memory.resident << 10) as f64,
    ));
}

/// CPU seconds, virtual bytes and start of the process, from `/proc/self/stat`; zeros elsewhere.
fn stat() -> (f64, f64, f64) {
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
    (
        (field(11) + field(12)) / per_second,
        field(20),
        boot + field(19) / per_second,
    )
}
