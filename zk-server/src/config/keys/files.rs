//! Keys about the data directories, transaction log and snapshots.

use crate::config::key::Key;
use crate::config::key::Kind::{Bool, Float, Int, Long, Text};

const BATCHES: &str = "the log thread writes all that waits and syncs once, without a delay";

pub(super) const KEYS: &[Key] = &[
    Key::cfg(
        "dataDir",
        Text,
        "",
        "3.0",
        "folder of the snapshots, and of the log unless dataLogDir is set",
    )
    .held_by("data_and_log_lie_in_their_folders"),
    Key::cfg(
        "dataLogDir",
        Text,
        "",
        "3.0",
        "folder of the transaction log",
    )
    .held_by("data_and_log_lie_in_their_folders"),
    Key::prop(
        "preAllocSize",
        Long,
        "65536",
        "3.0",
        "kilobytes by which the log file grows",
    )
    .held_by("data_and_log_lie_in_their_folders"),
    Key::prop(
        "snapCount",
        Int,
        "100000",
        "3.0",
        "transactions between snapshots, randomized between half and all of it",
    )
    .held_by("snapshots_and_logs_follow_their_limits"),
    Key::prop(
        "snapSizeLimitInKb",
        Long,
        "4194304",
        "3.6",
        "kilobytes of log between snapshots",
    )
    .held_by("snapshots_and_logs_follow_their_limits"),
    Key::prop(
        "txnLogSizeLimitInKb",
        Long,
        "-1",
        "3.5.5",
        "kilobytes after which a new log file starts",
    )
    .held_by("snapshots_and_logs_follow_their_limits"),
    Key::prop(
        "commitLogCount",
        Int,
        "500",
        "3.6",
        "transactions kept in memory for followers",
    )
    .held_by("learners_are_synchronised_as_configured"),
    Key::prop(
        "snapshotSizeFactor",
        Float,
        "0.33",
        "3.5.4",
        "share of the snapshot up to which a follower is synced from the log",
    )
    .held_by("learners_are_synchronised_as_configured"),
    Key::prop(
        "forceSync",
        Text,
        "yes",
        "3.0",
        "no: a write is answered before it is on disk",
    )
    .held_by("without_force_sync_nothing_is_synced_and_power_cuts_lose_it"),
    Key::prop(
        "fsync.warningthresholdms",
        Long,
        "1000",
        "3.3.4",
        "milliseconds after which a slow fsync is warned about",
    )
    .held_by("a_slow_sync_is_reported"),
    Key::prop(
        "datadir.autocreate",
        Bool,
        "true",
        "3.5.1",
        "make a missing data folder",
    )
    .held_by("folders_are_made_and_logs_trusted_only_where_that_is_allowed"),
    Key::prop(
        "db.autocreate",
        Bool,
        "true",
        "3.5.4",
        "start with an empty tree when there is none",
    )
    .held_by("an_empty_folder_counts_only_with_initialize_or_autocreate"),
    Key::prop(
        "snapshot.trust.empty",
        Bool,
        "false",
        "3.5.5",
        "start from log files alone when no snapshot is there",
    )
    .held_by("folders_are_made_and_logs_trusted_only_where_that_is_allowed"),
    Key::prop(
        "snapshot.compression.method",
        Text,
        "",
        "3.6",
        "gz or snappy",
    )
    .held_by("snapshots_are_compressed_as_asked"),
    Key::prop(
        "serializeLastProcessedZxid.enabled",
        Bool,
        "true",
        "3.9",
        "snapshots end with the last processed zxid",
    )
    .held_by("digests_trailers_and_lists_are_written_where_they_are_on"),
    Key::prop(
        "digest.enabled",
        Bool,
        "true",
        "3.6",
        "digest of the tree in log and snapshots",
    )
    .held_by("digests_trailers_and_lists_are_written_where_they_are_on"),
    Key::prop(
        "closeSessionTxn.enabled",
        Bool,
        "true",
        "3.6",
        "closeSession transactions list the ephemerals they remove",
    )
    .held_by("digests_trailers_and_lists_are_written_where_they_are_on"),
    Key::cfg(
        "autopurge.snapRetainCount",
        Int,
        "3",
        "3.4",
        "snapshots that a purge keeps, at least 3",
    )
    .held_by("autopurge_keeps_the_newest_snapshots_and_their_logs"),
    Key::cfg(
        "autopurge.purgeInterval",
        Int,
        "0",
        "3.4",
        "hours between purges; 0: off",
    )
    .held_by("autopurge_keeps_the_newest_snapshots_and_their_logs"),
    Key::prop(
        "flushDelay",
        Long,
        "0",
        "3.6",
        "milliseconds that a write may wait for others",
    )
    .noted(BATCHES),
    Key::prop(
        "maxWriteQueuePollTime",
        Long,
        "0",
        "3.6",
        "milliseconds of polling before a flush",
    )
    .noted(BATCHES),
    Key::prop(
        "maxBatchSize",
        Int,
        "1000",
        "3.6",
        "transactions of one flush",
    )
    .noted(BATCHES),
    Key::prop(
        "test.allowDiscontinuousProposals",
        Bool,
        "false",
        "3.9",
        "a switch of Java's own tests",
    )
    .noted("it belongs to Java's own tests"),
    Key::prop(
        "testingonly.initialZxid",
        Text,
        "",
        "3.6",
        "a switch of Java's own tests",
    )
    .noted("it belongs to Java's own tests"),
];
