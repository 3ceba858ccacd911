//! Who connects to a port between servers and is no server: a place to be heard in, which the next one
//! takes over from the oldest that is silent, and a few lines a minute for each host. Java gives
//! every connection a thread and a line.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Connections of one host, and of all, that have not said who they are. A server says it at once: its
/// place is taken only by as many that come in that moment.
const PER_HOST: usize = 32;
const ALL: usize = 256;

/// Connections that have not said who they are.
#[derive(Debug, Default)]
pub(super) struct Unheard(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// oldest first
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    host: IpAddr,
    evicted: Arc<Notify>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    all: Arc<Unheard>,
    evicted: Arc<Notify>,
}

impl Unheard {
    /// There is always a place: of a host that has its share the oldest goes, of all the oldest of the
    /// host that has most.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Place {
        let host = host(from);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.count(host) >= PER_HOST {
            places.evict(host);
        } else if places.waiting.len() >= ALL {
            let hosts = places.waiting.iter().map(|waiting| waiting.host);
            if let Some(largest) = hosts.max_by_key(|host| places.count(*host)) {
                places.evict(largest);
            }
        }
        let id = places.next;
        places.next += 1;
        let evicted = Arc::new(Notify::new());
        places.waiting.push_back(Waiting {
            id,
            host,
            evicted: evicted.clone(),
        });
        Place {
            id,
            all: self.clone(),
            evicted,
        }
    }
}

impl Places {
    fn count(&self, host: IpAddr) -> usize {
        self.waiting.iter().filter(|w| w.host == host).count()
    }

    fn evict(&mut self, host: IpAddr) {
        let oldest = self.waiting.iter().position(|w| w.host == host);
        if let Some(waiting) = oldest.and_then(|at| self.waiting.remove(at)) {
            waiting.evicted.notify_one();
        }
    }
}

impl Place {
    /// Another one needs it.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.waiting.retain(|waiting| waiting.id != self.id);
    }
}

/// Of IPv6 a whole network: one machine has all its addresses.
fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

const WINDOW_US: u64 = 60_000_000;
const HOSTS: usize = 256;
/// What is told of one host within a minute.
const LINES: usize = 4;

/// What was told about hosts that send what no server sends.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashMap<IpAddr, Told>>);

#[derive(Debug)]
struct Told {
    since: u64,
    whys: Vec<String>,
    /// not told
    more: u64,
}

impl Strangers {
    /// Says `line` once a minute for a host and a reason.
    pub(crate) fn warn(&self, remote: IpAddr, now_us: u64, line: &str, why: &str) {
        match self.note(host(remote), now_us, why) {
            None => {}
            Some(0) => tracing::warn!("{line}: {why}"),
            Some(more) => {
                tracing::warn!(
                    "{line}: {why} ({more} more of that host were closed, and not told of)"
                );
            }
        }
    }

    /// When it is time to say something: how many times nothing was said in the minute before.
    fn note(&self, host: IpAddr, now_us: u64, why: &str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = |told: &Told| now_us < told.since + WINDOW_US;
        if let Some(known) = told.get_mut(&host).filter(|known| in_force(known)) {
            let news = known.whys.len() < LINES && !known.whys.iter().any(|known| known == why);
            if !news {
                known.more += 1;
                return None;
            }
            known.whys.push(why.to_owned());
            return Some(0);
        }
        if told.len() >= HOSTS {
            told.retain(|_, told| in_force(told));
        }
        if told.len() >= HOSTS {
            return None;
        }
        let fresh = Told {
            since: now_us,
            whys: vec![why.to_owned()],
            more: 0,
        };
        let before = told.insert(host, fresh);
        Some(before.map_or(0, |told| told.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn is_evicted(place: &Place) -> bool {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        let soon = std::time::Duration::from_millis(1);
        runtime.block_on(async { tokio::time::timeout(soon, place.evicted()).await.is_ok() })
    }

    #[test]
    fn the_newest_of_a_host_takes_the_place_of_its_oldest() {
        let unheard = Arc::new(Unheard::default());
        let mut of_one: VecDeque<Place> = (0..PER_HOST).map(|_| unheard.enter(ip(1))).collect();
        let other = unheard.enter(ip(2));
        let newest = unheard.enter(ip(1));
        assert!(is_evicted(&of_one[0]));
        for place in of_one.iter().skip(1).chain([&other, &newest]) {
            assert!(!is_evicted(place));
        }
        // One that has said who it is has no place any more, and is left alone.
        of_one.drain(..2);
        let _more = unheard.enter(ip(1));
        assert!(!is_evicted(&of_one[0]));
    }

    #[test]
    fn many_hosts_share_and_the_largest_gives_way() {
        let unheard = Arc::new(Unheard::default());
        let flood: Vec<Place> = (0..PER_HOST).map(|_| unheard.enter(ip(0))).collect();
        let rest = (ALL - PER_HOST) as u8;
        let others: Vec<Place> = (1..=rest).map(|n| unheard.enter(ip(n))).collect();
        let _newcomer = unheard.enter(ip(255));
        assert!(is_evicted(&flood[0]));
        assert!(others.iter().all(|place| !is_evicted(place)));
        assert_eq!(unheard.0.lock().unwrap().waiting.len(), ALL);
    }

    #[test]
    fn a_host_has_a_few_lines_a_minute_and_the_rest_is_counted() {
        let strangers = Strangers::default();
        assert_eq!(strangers.note(ip(1), 5, "HTTP"), Some(0));
        assert_eq!(strangers.note(ip(1), 6, "HTTP"), None);
        assert_eq!(strangers.note(ip(1), 7, "TLS"), Some(0));
        assert_eq!(strangers.note(ip(2), 7, "HTTP"), Some(0));
        let different = |n: u64| strangers.note(ip(1), 8, &n.to_string()).is_some();
        assert_eq!((0..100).filter(|n| different(*n)).count(), LINES - 2);
        assert_eq!(strangers.note(ip(1), 5 + WINDOW_US, "HTTP"), Some(99));
        for n in 0..1000u32 {
            strangers.note(IpAddr::from(n.to_be_bytes()), 8 + WINDOW_US, "");
        }
        assert_eq!(strangers.0.lock().unwrap().len(), HOSTS);
    }

    #[test]
    fn a_network_of_ipv6_is_one_host() {
        let one: IpAddr = "2001:db8:1:2:3::4".parse().unwrap();
        let same: IpAddr = "2001:db8:1:2:ffff::".parse().unwrap();
        let other: IpAddr = "2001:db8:1:3::".parse().unwrap();
        assert_eq!(host(one), host(same));
        assert_ne!(host(one), host(other));
    }
}
