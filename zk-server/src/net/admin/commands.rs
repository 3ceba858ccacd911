//! The commands of the AdminServer and the fields of their answers (Java: `Commands`).

use std::sync::atomic::Ordering;

use driver::http::Request;
use serde_json::{Map, Value, json};

use super::member;
use crate::core::Server;
use crate::core::inspect::ConnInfo;
use crate::core::io::Mode;
use crate::net::monitor::{self, Value as Figure};
use crate::net::{Net, environment};
use crate::peer::Peer;

pub(super) type Body = Map<String, Value>;

pub(super) struct Command {
    pub(super) name: &'static str,
    also: &'static [&'static str],
    pub(super) run: Run,
}

#[derive(Clone, Copy)]
pub(super) enum Run {
    Get(fn(&Request, &Net) -> Body),
    /// GET, for administrators of the root
    Snapshot,
    /// POST, for administrators of the root
    Restore,
}

const fn command(
    name: &'static str,
    also: &'static [&'static str],
    run: fn(&Request, &Net) -> Body,
) -> Command {
    Command {
        name,
        also,
        run: Run::Get(run),
    }
}

/// In the order of their names, as Java's page lists them.
pub(super) const ALL: &[Command] = &[
    command("configuration", &["conf", "config"], configuration),
    command("connection_stat_reset", &["crst"], |_, net| {
        net.core.with(Server::reset_connection_stats);
        Body::new()
    }),
    command("connections", &["cons"], |_, net| connections(net, false)),
    command("dirs", &[], dirs),
    command("dump", &[], dump),
    command("environment", &["env", "envi"], environment),
    command("get_trace_mask", &["gtmk"], |_, net| {
        one("tracemask", trace_mask(net))
    }),
    command("hash", &[], hash),
    command("initial_configuration", &["icfg"], |_, net| {
        // Java's members of an ensemble keep none.
        let alone = net.core.ensemble().is_none();
        let text = alone.then_some(&net.initial_config);
        one("initial_configuration", json!(text))
    }),
    command("is_read_only", &["isro"], |_, net| {
        let mode = net.core.with(|server| server.mode());
        one("read_only", json!(mode == Some(Mode::ReadOnly)))
    }),
    command("last_snapshot", &["lsnp"], last_snapshot),
    command("leader", &["lead"], |_, net| member::leader(net)),
    command("monitor", &["mntr"], monitor),
    command("observer_connection_stat_reset", &["orst"], |_, net| {
        net.core.with_peer(Peer::reset_observers);
        Body::new()
    }),
    command("observers", &["obsr"], |_, net| member::observers(net)),
    Command {
        name: "restore",
        also: &["rest"],
        run: Run::Restore,
    },
    command("ruok", &[], |_, _| Body::new()),
    command("server_stats", &["srvr"], |_, net| server_stats(net)),
    command("set_trace_mask", &["stmk"], set_trace_mask),
    Command {
        name: "snapshot",
        also: &["snap"],
        run: Run::Snapshot,
    },
    command("stat_reset", &["srst"], |_, net| {
        monitor::reset(net);
        Body::new()
    }),
    command("stats", &["stat"], |_, net| {
        let mut body = server_stats(net);
        body.extend(connections(net, true));
        body
    }),
    command("system_properties", &["sysp"], system_properties),
    command("voting_view", &[], |_, net| member::voting_view(net)),
    command("watch_summary", &["wchs"], watch_summary),
    command("watches", &["wchc"], watches),
    command("watches_by_path", &["wchp"], watches_by_path),
    command("zabstate", &[], |_, net| member::zab_state(net)),
];

pub(super) fn find(name: &str) -> Option<&'static Command> {
    ALL.iter()
        .find(|command| command.name == name || command.also.contains(&name))
}

fn one(key: &str, value: Value) -> Body {
    let mut body = Body::new();
    body.insert(key.to_owned(), value);
    body
}

/// A JSON object literal as the body it stands for.
pub(super) fn body(value: Value) -> Body {
    match value {
        Value::Object(body) => body,
        _ => Body::new(),
    }
}

fn configuration(_: &Request, net: &Net) -> Body {
    let conf = monitor::Conf::of(net);
    body(json!({
        "client_port": conf.client_port,
        "data_dir": conf.data_dir,
        "data_log_dir": conf.data_log_dir,
        "tick_time": conf.tick_time,
        "max_client_cnxns": conf.max_client_cnxns,
        "min_session_timeout": conf.min_session_timeout,
        "max_session_timeout": conf.max_session_timeout,
        "server_id": conf.server_id,
        "client_port_listen_backlog": conf.backlog,
    }))
}

fn connections(net: &Net, brief: bool) -> Body {
    let all: Vec<Value> = net
        .core
        .with(|server| {
            server
                .connections()
                .map(|conn| connection(&conn, brief))
                .collect()
        })
        .unwrap_or_default();
    body(json!({ "connections": all, "secure_connections": [] }))
}

fn connection(conn: &ConnInfo<'_>, brief: bool) -> Value {
    let stats = conn.stats;
    let mut info = body(json!({
        "remote_socket_address": conn.peer.to_string(),
        "interest_ops": 1,
        "outstanding_requests": conn.outstanding,
        "packets_received": stats.received,
        "packets_sent": stats.sent,
    }));
    if !brief {
        let latency = monitor::ConnLatency::of(stats);
        info.extend(body(json!({
            "session_id": conn.session,
            "last_operation": stats.last_op,
            "established": stats.established_ms,
            "session_timeout": conn.timeout_ms,
            "last_cxid": stats.last_cxid,
            "last_zxid": stats.last_zxid,
            "last_response_time": stats.last_response_us / 1000,
            "last_latency": latency.last,
            "min_latency": latency.min,
            "avg_latency": latency.avg,
            "max_latency": latency.max,
        })));
    }
    Value::Object(info)
}

fn dirs(_: &Request, net: &Net) -> Body {
    let (data, log) = monitor::dir_sizes(net);
    body(json!({ "datadir_size": data, "logdir_size": log }))
}

fn dump(_: &Request, net: &Net) -> Body {
    let (expiry, ephemerals) = net
        .core
        .with(|server| {
            // learners do not know it of global sessions
            let expiry = match server.mode() {
                Mode::Following | Mode::Observing => Default::default(),
                _ => server.sessions_by_expiry(),
            };
            (expiry, server.ephemerals())
        })
        .unwrap_or_default();
    let expiry: Body = expiry
        .into_iter()
        .map(|(at, sessions)| (at.to_string(), json!(sessions)))
        .collect();
    let ephemerals: Body = ephemerals
        .into_iter()
        .map(|(session, paths)| (session.to_string(), json!(paths)))
        .collect();
    body(json!({
        "expiry_time_to_session_ids": expiry,
        "session_id_to_ephemeral_paths": ephemerals,
    }))
}

fn environment(_: &Request, _: &Net) -> Body {
    let entries = environment::entries().into_iter();
    entries
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect()
}

fn trace_mask(net: &Net) -> Value {
    json!(net.trace_mask.load(Ordering::Relaxed))
}

fn set_trace_mask(request: &Request, net: &Net) -> Body {
    let mask = request.query.iter().find(|(name, _)| name == "traceMask");
    let Some((_, text)) = mask else {
        return one(
            "error",
            json!("setTraceMask requires long traceMask argument"),
        );
    };
    match text.parse::<i64>() {
        Ok(mask) => {
            net.trace_mask.store(mask, Ordering::Relaxed);
            one("tracemask", json!(mask))
        }
        Err(_) => one(
            "error",
            json!(format!(
                "setTraceMask requires long traceMask argument, got {text}"
            )),
        ),
    }
}

fn hash(_: &Request, net: &Net) -> Body {
    let digests: Vec<Value> = monitor::digest_log(net)
        .into_iter()
        .map(|(zxid, digest)| json!({ "zxid": zxid, "digest": digest, "digest_version": 2 }))
        .collect();
    one("digests", json!(digests))
}

fn last_snapshot(_: &Request, net: &Net) -> Body {
    let last = net.log.figures().last_snapshot;
    let (zxid, at) = last.map_or((-1, -1), |(zxid, at)| (zxid.0, at));
    body(json!({ "zxid": format!("{zxid:x}"), "timestamp": at }))
}

fn monitor(_: &Request, net: &Net) -> Body {
    let values = monitor::values(net).into_iter();
    values
        .map(|(name, value)| {
            let value = match value {
                Figure::Int(value) => json!(value),
                Figure::Real(value) => json!(value),
                Figure::Text(value) => json!(value),
            };
            (name, value)
        })
        .collect()
}

fn server_stats(net: &Net) -> Body {
    let stats = monitor::ServerStats::of(net);
    let (data, log) = monitor::dir_sizes(net);
    let responses = json!({
        "last_buffer_size": stats.last_response,
        "min_buffer_size": stats.min_response,
        "max_buffer_size": stats.max_response,
    });
    let mut body = body(json!({
        "version": environment::full_version(),
        "read_only": stats.mode == Mode::ReadOnly,
        "server_stats": {
            "packets_sent": stats.sent,
            "packets_received": stats.received,
            "fsync_threshold_exceed_count": net.log.figures().slow_syncs,
            "client_response_stats": responses,
            "data_dir_size": data,
            "log_dir_size": log,
            "provider_null": false,
            "last_processed_zxid": stats.zxid,
            "outstanding_requests": stats.outstanding,
            "server_state": stats.mode.name(),
            "avg_latency": stats.avg_latency,
            "max_latency": stats.max_latency,
            "min_latency": stats.min_latency,
            "num_alive_client_connections": stats.connections,
            "uptime": stats.uptime_ms,
            "auth_failed_count": stats.auth_failed,
            "non_mtlsremote_conn_count": 0,
            "non_mtlslocal_conn_count": 0,
        },
        "client_response": responses,
    }));
    if let Some(sizes) = stats.proposal_sizes {
        let sizes = json!({
            "last_buffer_size": sizes.last,
            "min_buffer_size": sizes.min,
            "max_buffer_size": sizes.max,
        });
        body.insert("proposal_stats".to_owned(), sizes);
    }
    body.insert("node_count".to_owned(), json!(stats.node_count));
    body
}

/// Passwords stay out, unlike in Java.
fn system_properties(_: &Request, net: &Net) -> Body {
    let shown = net.config.properties.iter();
    shown
        .map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let secret = lower.contains("password") || lower.contains("superdigest");
            let value = if secret { "(hidden)" } else { value.as_str() };
            (name.clone(), json!(value))
        })
        .collect()
}

fn watch_summary(_: &Request, net: &Net) -> Body {
    let summary = net
        .core
        .with(|server| server.watches_summary())
        .unwrap_or_default();
    body(json!({
        "num_connections": summary.connections,
        "num_paths": summary.paths,
        "num_total_watches": summary.total,
    }))
}

fn watches(_: &Request, net: &Net) -> Body {
    let by_session = net.core.with(|server| server.watches_by_session());
    let map: Body = by_session
        .unwrap_or_default()
        .into_iter()
        .map(|(session, paths)| (session.to_string(), json!(paths)))
        .collect();
    one("session_id_to_watched_paths", Value::Object(map))
}

fn watches_by_path(_: &Request, net: &Net) -> Body {
    let by_path = net.core.with(|server| server.watches_by_path());
    let map: Body = by_path
        .unwrap_or_default()
        .into_iter()
        .map(|(path, sessions)| (path, json!(sessions)))
        .collect();
    one("path_to_session_ids", Value::Object(map))
}
