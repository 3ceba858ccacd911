//! Known bugs of this field, put in on purpose: tests switch one on and show that the simulator finds
//! it. Compiled in with the cargo feature `mutants` only; no program that ships has it.

/// A bug, named after what it does; the issue of ZooKeeper's where somebody had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// a learner acknowledges a proposal when it comes (3023, 4685)
    AckBeforeLog,
    /// the epoch is written, and then acknowledged, while transactions are not on disk (3911, 4643)
    EpochBeforeHistory,
    /// what a role has logged and not committed is forgotten in memory (2845)
    ForgetUnapplied,
    /// a sync that broke off in the middle of TRUNC leaves memory as it was (5094)
    KeepAfterBrokenTruncate,
    /// a log is written, not synced, and said to be durable
    SkipSync,
    /// what was committed during a sync is not in the committed log (4925)
    HoleInCommittedLog,
    /// proposals under way are not sent to a learner that is being synchronised (3104)
    MissProposalsInSync,
    /// votes are ordered by server id alone (1154)
    VoteById,
    /// half of the voters are a quorum
    HalfIsQuorum,
    /// a follower serves what is proposed, not what is committed (4394)
    ApplyUncommitted,
    /// what a start has read is taken for logged without a sync
    TrustUnsyncedLog,
    /// a watch fires and nobody is told
    LoseWatchEvents,
    /// a learner cuts one transaction more than it was told to (1156)
    CutOneMore,
    /// the same, and it does not look where its log ends now
    CutOneMoreUnseen,
    /// what a failed sync has not made durable stays in the log, and a start counts on it
    KeepAfterFailedSync,
    /// a session ends and its ephemerals stay (2355)
    KeepEphemerals,
    /// a leader does not know the sessions that move to a learner (ClickHouse#116690)
    ForgetSessions,
    /// a leader does not listen to what learners say of their sessions
    ForgetTouches,
    /// a write does not look at those that are on their way before it
    ForgetOutstanding,
    /// a leader's log knows a reconfiguration before its configuration file does
    ConfigAfterLog,
    /// a configuration that is activated takes the file of a newer, proposed one away
    ForgetProposedConfig,
    /// a learner is brought up to date and never serves
    NeverUpToDate,
    /// a snapshot that is read gives everybody all rights (3306)
    LoseAcls,
    /// a leader keeps a restored snapshot with an epoch far ahead before anybody else has it
    RestoreAhead,
    /// a restored snapshot is acknowledged before a quorum has it
    RestoreUnheard,
}

#[cfg(feature = "mutants")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Puts a bug into whatever runs on this thread from now on, or takes it out.
#[cfg(feature = "mutants")]
pub fn set(mutant: Option<Mutant>) {
    ACTIVE.set(mutant);
}

/// Whether this bug is in.
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    ACTIVE.get() == Some(mutant)
}

/// Never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
