//! What everything else counts in: transactions, connections and time. Knows nothing of what is above
//! it.

/// A connection, named by the driver; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Epoch in the upper, counter in the lower 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Zxid(pub i64);

/// The moment at which an input arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// microseconds of a clock that never goes back: timeouts and latencies
    pub mono_us: u64,
    /// milliseconds since 1970: what transactions and Stats record
    pub wall_ms: i64,
}

/// A connection between servers, never reused while the process lives. The driver numbers those that
/// it accepts from 1 on, the peer those that it dials from [`LinkId::FIRST_DIALLED`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

impl LinkId {
    pub const FIRST_DIALLED: Self = Self(1 << 63);
}
