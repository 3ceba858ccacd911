//! The texts of four-letter words.

use std::fmt::Write;
use std::net::SocketAddr;

use driver::local_time::LocalTime;

use crate::config::{QuorumConfig, Role};
use crate::core::Server;
use crate::core::inspect::ConnInfo;
use crate::core::io::Mode;
use crate::net::monitor::{self, Member, Value};
use crate::net::{Net, environment};

/// Writing into a String cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        let _ = write!($out, $($text)*);
    };
}

pub(super) fn conf(net: &Net) -> String {
    let conf = monitor::Conf::of(net);
    let (data, log) = monitor::dir_sizes(net);
    let mut out = format!(
        "clientPort={}\nsecureClientPort=-1\ndataDir={}\ndataDirSize={data}\ndataLogDir={}\n\
         dataLogSize={log}\ntickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\n\
         maxSessionTimeout={}\nclientPortListenBacklog={}\nserverId={}\n",
        conf.client_port,
        conf.data_dir,
        conf.data_log_dir,
        conf.tick_time,
        conf.max_client_cnxns,
        conf.min_session_timeout,
        conf.max_session_timeout,
        conf.backlog,
        conf.server_id
    );
    let status = net.core.with_peer(|peer| peer.status());
    if let Some(status) = status {
        let quorum = status.active.config();
        membership(quorum, status.id, net, &mut out);
        // Java ends it without a line end, and knows nothing of the others when it serves only reads.
        if Member::of(net).is_some() {
            put!(out, "membership: \n{quorum}");
        }
    }
    out
}

/// What `conf` of a member adds of itself.
fn membership(quorum: &QuorumConfig, id: i64, net: &Net, out: &mut String) {
    let own = quorum.server(id);
    let ports = |port: fn(&(String, u16, u16)) -> u16| {
        let all = own.map_or(&[][..], |server| &server.addresses);
        let ports: Vec<String> = all.iter().map(|a| port(a).to_string()).collect();
        ports.join("|")
    };
    put!(
        out,
        "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\npeerType={}\n",
        net.config.ensemble.init_limit,
        net.config.ensemble.sync_limit,
        ports(|a| a.2),
        ports(|a| a.1),
        u8::from(own.is_some_and(|server| server.role == Role::Observer))
    );
}

pub(super) fn cons(net: &Net, asker: SocketAddr) -> String {
    let mut out = String::new();
    net.core.with(|server| {
        for conn in server.connections() {
            connection(&conn, asker, false, &mut out);
        }
    });
    out.push('\n');
    out
}

/// One line of `cons` (all of it) or `stat` (brief).
fn connection(conn: &ConnInfo<'_>, asker: SocketAddr, brief: bool, out: &mut String) {
    // Whoever asks has sent one packet, the word, and is no longer read from.
    let asks = conn.peer == asker;
    let received = conn.stats.received + u64::from(asks);
    put!(
        out,
        " /{}[{}](queued={},recved={received},sent={}",
        conn.peer,
        u8::from(!asks),
        conn.outstanding,
        conn.stats.sent
    );
    if !brief && conn.session != 0 {
        let stats = conn.stats;
        put!(
            out,
            ",sid=0x{:x},lop={},est={},to={}",
            conn.session,
            stats.last_op,
            stats.established_ms,
            conn.timeout_ms
        );
        if stats.last_cxid >= 0 {
            put!(out, ",lcxid=0x{:x}", stats.last_cxid);
        }
        let latency = monitor::ConnLatency::of(stats);
        put!(
            out,
            ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
            stats.last_zxid,
            stats.last_response_us / 1000,
            latency.last,
            latency.min,
            latency.avg,
            latency.max
        );
    }
    out.push_str(")\n");
}

pub(super) fn dirs(net: &Net) -> String {
    let (data, log) = monitor::dir_sizes(net);
    format!("datadir_size: {data}\nlogdir_size: {log}\n")
}

pub(super) fn dump(net: &Net) -> String {
    let now = net.core.now();
    let mut out = "SessionTracker dump:\n".to_owned();
    net.core.with(|server| {
        sessions(server, now, &mut out);
        let ephemerals = server.ephemerals();
        put!(
            out,
            "ephemeral nodes dump:\nSessions with Ephemerals ({}):\n",
            ephemerals.len()
        );
        for (session, paths) in ephemerals {
            put!(out, "0x{session:x}:\n");
            for path in paths {
                put!(out, "\t{path}\n");
            }
        }
        connections(server, now, net, &mut out);
    });
    out
}

/// A learner knows when its local sessions expire; of the others only what is in the database.
fn sessions(server: &Server, now: crate::units::Now, out: &mut String) {
    let global = server.database().sessions();
    let learner = !matches!(server.mode(), Mode::Standalone | Mode::Leading);
    let mut sets = server.sessions_by_expiry();
    if server.settings().local_sessions {
        let mut local = sets.clone();
        for sessions in local.values_mut() {
            sessions.retain(|id| !global.contains_key(id));
        }
        local.retain(|_, sessions| !sessions.is_empty());
        for sessions in sets.values_mut() {
            sessions.retain(|id| global.contains_key(id));
        }
        sets.retain(|_, sessions| !sessions.is_empty());
        out.push_str("Local ");
        session_sets(local, now, out);
        if !learner {
            out.push_str("Global ");
        }
    }
    if !learner {
        return session_sets(sets, now, out);
    }
    put!(out, "Global Sessions({}):\n", global.len());
    for (session, timeout) in global {
        put!(out, "0x{session:x}\t{timeout}ms\n");
    }
}

fn session_sets(
    sets: std::collections::BTreeMap<u64, Vec<i64>>,
    now: crate::units::Now,
    out: &mut String,
) {
    let count: usize = sets.values().map(Vec::len).sum();
    put!(out, "Session Sets ({})/({count}):\n", sets.len());
    for (at_ms, sessions) in sets {
        expiry_line(sessions.len(), at_ms, now, out);
        for session in sessions {
            put!(out, "\t0x{session:x}\n");
        }
    }
}

fn expiry_line(count: usize, at_ms: u64, now: crate::units::Now, out: &mut String) {
    let left = i64::try_from(at_ms).unwrap_or(i64::MAX)
        - i64::try_from(now.mono_us / 1000).unwrap_or(i64::MAX);
    let at = LocalTime::at(now.wall_ms.saturating_add(left));
    put!(out, "{count} expire at {}:\n", at.java_date());
}

/// Connections by the moment at which they would be closed if nothing were heard of them.
fn connections(server: &Server, now: crate::units::Now, net: &Net, out: &mut String) {
    let mut sets: std::collections::BTreeMap<u64, Vec<String>> = std::collections::BTreeMap::new();
    let interval = 10_000;
    for conn in server.connections() {
        let timeout = match conn.session {
            0 => net.limits.sessionless_timeout_ms,
            _ => u64::try_from(conn.timeout_ms).unwrap_or(0),
        };
        let heard = conn.stats.last_response_us.max(server.started_us()) / 1000;
        let at = ((heard + timeout) / interval + 1) * interval;
        let line = format!("\tip: /{} sessionId: 0x{:x}\n", conn.peer, conn.session);
        sets.entry(at).or_default().push(line);
    }
    let total: usize = sets.values().map(Vec::len).sum();
    put!(
        out,
        "Connections dump:\nConnections Sets ({})/({total}):\n",
        sets.len()
    );
    for (at_ms, lines) in sets {
        expiry_line(lines.len(), at_ms, now, out);
        for line in lines {
            out.push_str(&line);
        }
    }
}

pub(super) fn envi() -> String {
    let mut out = "Environment:\n".to_owned();
    for (name, value) in environment::entries() {
        put!(out, "{name}={value}\n");
    }
    out
}

pub(super) fn hash(net: &Net) -> String {
    let mut out = String::new();
    for (zxid, digest) in monitor::digest_log(net) {
        put!(out, "{zxid:x}: {digest}\n");
    }
    out
}

pub(super) fn mntr(net: &Net) -> String {
    let mut out = String::new();
    for (name, value) in monitor::values(net) {
        match value {
            Value::Int(value) => {
                put!(out, "zk_{name}\t{value}\n");
            }
            Value::Real(value) => {
                put!(out, "zk_{name}\t{}\n", monitor::java_double(value));
            }
            Value::Text(value) => {
                put!(out, "zk_{name}\t{value}\n");
            }
        }
    }
    out
}

pub(super) fn srvr(net: &Net) -> String {
    format!("{}{}", version(net), server_stats(net))
}

fn version(net: &Net) -> String {
    let read_only = net.core.with(|server| server.mode() == Mode::ReadOnly);
    let read_only = match read_only {
        Some(true) => "READ-ONLY mode; serving only read-only clients\n",
        _ => "",
    };
    let version = environment::full_version();
    format!("Zookeeper version: {version}\n{read_only}")
}

pub(super) fn stat(net: &Net, asker: SocketAddr) -> String {
    let mut out = format!("{}Clients:\n", version(net));
    net.core.with(|server| {
        for conn in server.connections() {
            connection(&conn, asker, true, &mut out);
        }
    });
    out.push('\n');
    out.push_str(&server_stats(net));
    out
}

fn server_stats(net: &Net) -> String {
    let stats = monitor::ServerStats::of(net);
    let mut out = format!(
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n\
         Zxid: 0x{:x}\nMode: {}\nNode count: {}\n",
        stats.min_latency,
        monitor::java_double(stats.avg_latency),
        stats.max_latency,
        stats.received,
        stats.sent,
        stats.connections,
        stats.outstanding,
        stats.zxid,
        stats.mode.name(),
        stats.node_count
    );
    if let Some(sizes) = stats.proposal_sizes {
        let (last, min, max) = (sizes.last, sizes.min, sizes.max);
        put!(out, "Proposal sizes last/min/max: {last}/{min}/{max}\n");
    }
    out
}

pub(super) fn watches_by_session(net: &Net) -> String {
    let mut out = String::new();
    let watches = net.core.with(|server| server.watches_by_session());
    for (session, paths) in watches.unwrap_or_default() {
        put!(out, "0x{session:x}\n");
        for path in paths {
            put!(out, "\t{path}\n");
        }
    }
    out.push('\n');
    out
}

pub(super) fn watches_by_path(net: &Net) -> String {
    let mut out = String::new();
    let watches = net.core.with(|server| server.watches_by_path());
    for (path, sessions) in watches.unwrap_or_default() {
        put!(out, "{path}\n");
        for session in sessions {
            put!(out, "\t0x{session:x}\n");
        }
    }
    out.push('\n');
    out
}

pub(super) fn watches_summary(net: &Net) -> String {
    let summary = net.core.with(|server| server.watches_summary());
    let summary = summary.unwrap_or_default();
    format!(
        "{} connections watching {} paths\nTotal watches:{}\n",
        summary.connections, summary.paths, summary.total
    )
}
