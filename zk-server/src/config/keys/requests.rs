//! Keys about how requests are served: limits, node types, quotas, watches.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Float, Int, Long, Text};

const NO_CACHE: &str = "answers are encoded straight from the tree; there is no cache to size";
const COMPACT: &str = "there is one, compact, way to keep watches";
const ONE_CORE: &str = "one thread owns the tree; there are no commit workers";
const STALE: &str = "what_waited_too_long_for_the_throttle_ends_its_connection";

pub(super) const KEYS: &[Key] = &[
    Key::prop(
        "globalOutstandingLimit",
        Int,
        "1000",
        "3.0",
        "requests in the server at which reading from clients stops",
    )
    .held_by("reading_stops_at_the_global_limit_of_requests"),
    Key::prop(
        "request_throttle_max_requests",
        Int,
        "0",
        "3.6",
        "outstanding requests at which new ones wait; 0: no limit",
    )
    .held_by("the_throttle_holds_writes_back_in_order"),
    Key::prop(
        "request_throttle_stall_time",
        Int,
        "100",
        "3.6",
        "milliseconds for which the throttle waits",
    )
    .noted("waiting requests go on as soon as others are done, not at intervals"),
    Key::prop(
        "request_throttle_drop_stale",
        Bool,
        "true",
        "3.6",
        "drop waiting requests that are stale, and their connection",
    )
    .held_by(STALE),
    Key::prop(
        "request_stale_connection_check",
        Bool,
        "true",
        "3.6",
        "a request of a closed connection is stale",
    )
    .noted("requests of a closed connection never wait here"),
    Key::prop(
        "request_stale_latency_check",
        Bool,
        "false",
        "3.6",
        "a request older than its session timeout is stale",
    )
    .held_by(STALE),
    Key::prop(
        "request_throttler.shutdownTimeout",
        Int,
        "10000",
        "3.6",
        "milliseconds given to outstanding requests at the end",
    )
    .noted("a stop ends as soon as the log is synced"),
    Key::prop(
        "throttled_op_wait_time",
        Int,
        "0",
        "3.6.3",
        "milliseconds after which a request that waited is answered with ThrottledOp; 0: never",
    )
    .held_by("what_waited_for_the_throttle_is_answered_with_throttled_op"),
    Key::prop(
        "largeRequestMaxBytes",
        Int,
        "104857600",
        "3.6",
        "bytes of large requests in the server at a time",
    )
    .held_by("large_requests_together_have_a_limit"),
    Key::prop(
        "largeRequestThreshold",
        Int,
        "-1",
        "3.6",
        "bytes from which a request is large; -1: none is",
    )
    .held_by("large_requests_together_have_a_limit"),
    Key::prop(
        "enableEagerACLCheck",
        Bool,
        "false",
        "3.6",
        "check ACLs on the server that a client is connected to",
    )
    .held_by("acls_are_checked_before_the_leader_is_asked"),
    Key::prop(
        "enforceQuota",
        Bool,
        "false",
        "3.7",
        "refuse writes over a hard quota",
    )
    .held_by("quotas_are_counted_and_hard_ones_enforced"),
    Key::prop("skipACL", Text, "no", "3.0", "yes: no ACL is checked")
        .held_by("no_acl_is_checked_when_they_are_skipped"),
    Key::prop("extendedTypesEnabled", Bool, "false", "3.5.4", "TTL nodes")
        .held_by("containers_and_ttl_nodes_go_away"),
    Key::prop(
        "emulate353TTLNodes",
        Bool,
        "false",
        "3.5.4",
        "read TTL nodes as 3.5.3 wrote them",
    )
    .held_by("marks"),
    Key::bare(
        "znode.container.checkIntervalMs",
        Int,
        "60000",
        "3.5.1",
        "milliseconds between checks of container and TTL nodes",
    )
    .held_by("containers_are_looked_at_and_deleted_at_their_pace"),
    Key::bare(
        "znode.container.maxPerMinute",
        Int,
        "10000",
        "3.5.1",
        "container and TTL nodes that are deleted in a minute",
    )
    .held_by("containers_are_looked_at_and_deleted_at_their_pace"),
    Key::bare(
        "znode.container.maxNeverUsedIntervalMs",
        Long,
        "0",
        "3.6",
        "milliseconds after which a container that never had a child is deleted; 0: never",
    )
    .held_by("containers_are_looked_at_and_deleted_at_their_pace"),
    Key::prop(
        "maxResponseCacheSize",
        Int,
        "400",
        "3.5.6",
        "entries of the cache of node answers",
    )
    .noted(NO_CACHE),
    Key::prop(
        "maxGetChildrenResponseCacheSize",
        Int,
        "400",
        "3.6",
        "entries of the cache of children answers",
    )
    .noted(NO_CACHE),
    Key::prop(
        "watchManagerName",
        Text,
        "",
        "3.6",
        "class that keeps watches",
    )
    .noted(COMPACT),
    Key::prop(
        "watcherCleanThreadsNum",
        Int,
        "2",
        "3.6",
        "threads that clean dead watchers",
    )
    .noted(COMPACT),
    Key::prop(
        "watcherCleanThreshold",
        Int,
        "1000",
        "3.6",
        "dead watchers that start a cleaning",
    )
    .noted(COMPACT),
    Key::prop(
        "watcherCleanIntervalInSeconds",
        Int,
        "600",
        "3.6",
        "seconds between cleanings",
    )
    .noted(COMPACT),
    Key::prop(
        "maxInProcessingDeadWatchers",
        Int,
        "-1",
        "3.6",
        "dead watchers in cleaning",
    )
    .noted(COMPACT),
    Key::prop(
        "bitHashCacheSize",
        Int,
        "10",
        "3.6",
        "cache of the bit sets of watchers",
    )
    .noted(COMPACT),
    Key::prop(
        "commitProcessor.numWorkerThreads",
        Int,
        "",
        "3.5",
        "threads of the commit processor",
    )
    .noted(ONE_CORE),
    Key::prop(
        "commitProcessor.maxReadBatchSize",
        Int,
        "-1",
        "3.6",
        "reads between two commits",
    )
    .noted(ONE_CORE),
    Key::prop(
        "commitProcessor.maxCommitBatchSize",
        Int,
        "1",
        "3.6",
        "commits between reads",
    )
    .noted(ONE_CORE),
    Key::prop(
        "commitProcessor.shutdownTimeout",
        Long,
        "5000",
        "3.5",
        "milliseconds given to the commit threads at the end",
    )
    .noted(ONE_CORE),
    Key::prop(
        "messageTracker.Enabled",
        Bool,
        "false",
        "3.6",
        "keep the last messages to and from learners",
    )
    .ensemble(),
    Key::prop(
        "messageTracker.BufferSize",
        Int,
        "10",
        "3.6",
        "messages that are kept",
    )
    .ensemble(),
    Key::prop(
        "pathStats.enabled",
        Bool,
        "false",
        "3.6",
        "statistics of request paths in the log",
    )
    .refused(
        &["false"],
        "statistics of request paths are not served yet: take the line out",
    ),
    Key::prop("pathStats.slotCapacity", Int, "60", "3.6", "slots").noted(NO_PATHS),
    Key::prop(
        "pathStats.slotDuration",
        Int,
        "15",
        "3.6",
        "seconds of a slot",
    )
    .noted(NO_PATHS),
    Key::prop("pathStats.maxDepth", Int, "6", "3.6", "depth of paths").noted(NO_PATHS),
    Key::prop(
        "pathStats.sampleRate",
        Float,
        "0.1",
        "3.6",
        "share of requests",
    )
    .noted(NO_PATHS),
    Key::prop(
        "pathStats.initialDelay",
        Long,
        "5",
        "3.6",
        "minutes before the first report",
    )
    .noted(NO_PATHS),
    Key::prop(
        "pathStats.delay",
        Long,
        "5",
        "3.6",
        "minutes between reports",
    )
    .noted(NO_PATHS),
    Key::prop(
        "pathStats.topPathMax",
        Int,
        "20",
        "3.6",
        "paths in a report",
    )
    .noted(NO_PATHS),
];

const NO_PATHS: &str = "it only counts when pathStats.enabled is true";
