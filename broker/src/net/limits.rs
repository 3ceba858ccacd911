//! How many connections may come in, in all, from one address and per second. Time is an
//! argument; no socket in sight. Mirrors kafka.network.ConnectionQuotas.

use std::collections::HashMap;
use std::net::IpAddr;

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} already has {max} connections (max.connections.per.ip)")]
pub(super) struct TooMany {
    address: IpAddr,
    max: usize,
}

/// The open connections, counted.
#[derive(Debug)]
pub(super) struct Limits {
    total: usize,
    max_total: usize,
    per_ip: HashMap<IpAddr, usize>,
    max_per_ip: usize,
    overrides: HashMap<IpAddr, usize>,
    rate: Rate,
}

impl Limits {
    pub(super) fn new(
        max_total: usize,
        max_per_ip: usize,
        overrides: HashMap<IpAddr, usize>,
        per_second: u64,
    ) -> Self {
        let rate = Rate {
            per_second,
            available_us: 0,
            last_us: 0,
        };
        Self {
            total: 0,
            max_total,
            per_ip: HashMap::new(),
            max_per_ip,
            overrides,
            rate,
        }
    }

    /// Whether the next connection may be accepted now; if not, when to look again (`None`: when
    /// a connection has closed).
    pub(super) fn may_accept(&mut self, now_us: u64) -> Result<(), Option<u64>> {
        if self.total >= self.max_total {
            return Err(None);
        }
        self.rate.may_accept(now_us).map_err(Some)
    }

    /// Counts a connection that was accepted.
    pub(super) fn open(&mut self, address: IpAddr) -> Result<(), TooMany> {
        let max = self
            .overrides
            .get(&address)
            .copied()
            .unwrap_or(self.max_per_ip);
        let count = self.per_ip.entry(address).or_insert(0);
        if *count >= max {
            if *count == 0 {
                self.per_ip.remove(&address);
            }
            return Err(TooMany { address, max });
        }
        *count += 1;
        self.total += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, address: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.per_ip.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_ip.remove(&address);
            }
        }
    }
}

/// A bucket that fills with one second's worth of connections at most.
#[derive(Debug)]
struct Rate {
    per_second: u64,
    available_us: u64,
    last_us: u64,
}

impl Rate {
    fn may_accept(&mut self, now_us: u64) -> Result<(), u64> {
        const SECOND_US: u64 = 1_000_000;
        if self.per_second >= i32::MAX as u64 {
            return Ok(());
        }
        if self.per_second == 0 {
            return Err(SECOND_US);
        }
        let cost = SECOND_US / self.per_second;
        let gained = now_us.saturating_sub(self.last_us);
        self.available_us = self.available_us.saturating_add(gained).min(SECOND_US);
        self.last_us = now_us;
        if self.available_us < cost {
            return Err(cost - self.available_us);
        }
        self.available_us -= cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn counts_in_all_and_by_address() {
        let mut limits = Limits::new(3, 1, HashMap::from([(B, 2)]), i32::MAX as u64);
        limits.open(A).unwrap();
        assert!(limits.open(A).is_err());
        limits.open(B).unwrap();
        limits.open(B).unwrap();
        assert_eq!(limits.may_accept(0), Err(None));
        limits.close(A);
        assert_eq!(limits.may_accept(0), Ok(()));
        assert_eq!(limits.total, 2);
        limits.open(A).unwrap();
    }

    #[test]
    fn spreads_connections_over_time() {
        let mut limits = Limits::new(100, 100, HashMap::new(), 10);
        let mut accepted = 0;
        for now in (0..3_000_000).step_by(1000) {
            accepted += u32::from(limits.may_accept(now).is_ok());
        }
        assert!((29..=31).contains(&accepted), "{accepted}");
    }
}
