//! Keys about ports, connections and session timeouts.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Float, Int, Text};

const ONE_LAYER: &str = "there is one network layer here, an event loop on tokio";
const TLS: &str = "TLS for clients is not served yet: take the line out, or keep Java for it";
const BUCKET: &str = "connections_over_the_tokens_are_closed";
const BLUE: &str = "the_chance_of_being_dropped_follows_the_load";
const WEIGHTS: &str = "weights_make_new_sessions_dearer";

pub(super) const KEYS: &[Key] = &[
    Key::cfg(
        "clientPort",
        Int,
        "",
        "3.0",
        "port on which clients connect",
    )
    .held_by("four_letter_words_answer_as_java"),
    Key::cfg(
        "clientPortAddress",
        Text,
        "",
        "3.3",
        "address to listen on; all when unset",
    )
    .held_by("client_port_address_is_listened_on"),
    Key::cfg(
        "clientPortListenBacklog",
        Int,
        "-1",
        "3.6",
        "length of the queue of connections not yet accepted; -1: what the system allows (50 in Java)",
    )
    .held_by("the_backlog_bounds_connections_not_yet_accepted"),
    Key::cfg(
        "secureClientPort",
        Int,
        "",
        "3.5.1",
        "port on which clients connect with TLS",
    )
    .refused(&[], TLS),
    Key::cfg(
        "secureClientPortAddress",
        Text,
        "",
        "3.5.1",
        "address of the TLS port",
    )
    .refused(&[], TLS),
    Key::prop(
        "client.portUnification",
        Bool,
        "false",
        "3.5.7",
        "TLS and plain text on the TLS port",
    )
    .refused(&["false"], TLS),
    Key::cfg(
        "tickTime",
        Int,
        "3000",
        "3.0",
        "basic unit of time in milliseconds",
    )
    .held_by("session_timeouts_follow_tick_and_limits"),
    Key::cfg(
        "minSessionTimeout",
        Int,
        "-1",
        "3.3",
        "shortest session timeout in milliseconds; -1: 2 ticks",
    )
    .held_by("session_timeouts_follow_tick_and_limits"),
    Key::cfg(
        "maxSessionTimeout",
        Int,
        "-1",
        "3.3",
        "longest session timeout in milliseconds; -1: 20 ticks",
    )
    .held_by("session_timeouts_follow_tick_and_limits"),
    Key::cfg(
        "maxClientCnxns",
        Int,
        "60",
        "3.3",
        "connections that one address may hold; 0: no limit",
    )
    .held_by("max_client_cnxns_limits_an_address"),
    Key::prop(
        "maxCnxns",
        Int,
        "0",
        "3.6",
        "connections in all; 0: no limit",
    )
    .held_by("max_cnxns_limits_all_connections"),
    Key::prop(
        "clientTcpKeepAlive",
        Bool,
        "false",
        "3.6.1",
        "TCP keep-alive on connections of clients",
    )
    .held_by("keep_alive_is_set_on_clients_sockets"),
    Key::prop(
        "nio.sessionlessCnxnTimeout",
        Int,
        "10000",
        "3.5",
        "milliseconds after which a connection without session is closed",
    )
    .held_by("half_open_connections_time_out"),
    Key::prop(
        "nio.numSelectorThreads",
        Int,
        "",
        "3.5",
        "selector threads",
    )
    .noted(ONE_LAYER),
    Key::prop("nio.numWorkerThreads", Int, "", "3.5", "worker threads").noted(ONE_LAYER),
    Key::prop(
        "nio.directBufferBytes",
        Int,
        "65536",
        "3.5",
        "size of the direct buffers",
    )
    .noted(ONE_LAYER),
    Key::prop(
        "nio.shutdownTimeout",
        Int,
        "5000",
        "3.5",
        "milliseconds given to the worker threads at the end",
    )
    .noted(ONE_LAYER),
    Key::prop(
        "serverCnxnFactory",
        Text,
        "",
        "3.4",
        "class of the network layer",
    )
    .noted(ONE_LAYER),
    Key::prop(
        "netty.advancedFlowControl.enabled",
        Bool,
        "false",
        "3.6",
        "flow control of the Netty layer",
    )
    .noted(ONE_LAYER),
    Key::prop(
        "netty.server.outstandingHandshake.limit",
        Int,
        "-1",
        "3.6",
        "TLS handshakes at a time",
    )
    .noted("it counts TLS handshakes, and TLS is not served"),
    Key::prop(
        "netty.server.earlyDropSecureConnectionHandshakes",
        Bool,
        "false",
        "3.9",
        "drop TLS connections while the server is not serving",
    )
    .noted("it counts TLS handshakes, and TLS is not served"),
    Key::prop(
        "connection_throttle_tokens",
        Int,
        "0",
        "3.6",
        "size of the token bucket for new connections; 0: off",
    )
    .held_by(BUCKET),
    Key::prop(
        "connection_throttle_fill_time",
        Int,
        "1",
        "3.6",
        "milliseconds between refills",
    )
    .held_by(BUCKET),
    Key::prop(
        "connection_throttle_fill_count",
        Int,
        "1",
        "3.6",
        "tokens of a refill",
    )
    .held_by(BUCKET),
    Key::prop(
        "connection_throttle_freeze_time",
        Int,
        "-1",
        "3.6",
        "milliseconds between adjustments of the dropping rate",
    )
    .held_by(BLUE),
    Key::prop(
        "connection_throttle_drop_increase",
        Float,
        "0.02",
        "3.6",
        "step up of the dropping rate",
    )
    .held_by(BLUE),
    Key::prop(
        "connection_throttle_drop_decrease",
        Float,
        "0.002",
        "3.6",
        "step down of the dropping rate",
    )
    .held_by(BLUE),
    Key::prop(
        "connection_throttle_decrease_ratio",
        Float,
        "0",
        "3.6",
        "fill level over which the dropping rate falls",
    )
    .held_by(BLUE),
    Key::prop(
        "connection_throttle_weight_enabled",
        Bool,
        "false",
        "3.6",
        "connections cost by kind of session",
    )
    .held_by(WEIGHTS),
    Key::prop(
        "connection_throttle_global_session_weight",
        Int,
        "3",
        "3.6",
        "cost of a new global session",
    )
    .held_by(WEIGHTS),
    Key::prop(
        "connection_throttle_local_session_weight",
        Int,
        "1",
        "3.6",
        "cost of a local session",
    )
    .held_by(WEIGHTS),
    Key::prop(
        "connection_throttle_renew_session_weight",
        Int,
        "2",
        "3.6",
        "cost of a session that is resumed",
    )
    .held_by(WEIGHTS),
    Key::bare(
        "jute.maxbuffer",
        Int,
        "1048575",
        "3.0",
        "longest frame in bytes that a client may send",
    )
    .held_by("frames_over_the_limit_close_the_connection"),
    Key::prop(
        "jute.maxbuffer.extrasize",
        Int,
        "1048575",
        "3.5.7",
        "allowance above jute.maxbuffer for records read from files",
    )
    .noted("records of files and peers are checked against the bytes that are there"),
    Key::prop(
        "intBufferStartingSizeBytes",
        Int,
        "1024",
        "3.6",
        "first size of the buffer for answers",
    )
    .noted("buffers grow as needed"),
];
