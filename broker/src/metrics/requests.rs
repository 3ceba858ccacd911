//! Requests by API and version, and how long their answers took. Mirrors kafka.network.RequestMetrics.
#![allow(clippy::disallowed_methods, reason = "measures how long answers take")]

use std::time::Instant;

use driver::metrics::{Counter, Recent};
use proto::kafka::ApiKey;

/// One more than the largest number of an API that is counted.
const APIS: usize = 76;
/// One more than the largest version that is counted.
const VERSIONS: usize = 24;

#[derive(Debug)]
pub struct RequestMetrics {
    start: Instant,
    apis: Box<[ApiMeters]>,
}

#[derive(Debug, Default)]
struct ApiMeters {
    versions: [Counter; VERSIONS],
    total_time_us: Recent,
}

/// A request that has been begun.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    api: u8,
    version: u8,
    begun: Instant,
}

impl Timed {
    /// From the first bytes of a request: API and version. `None` for what is not counted.
    pub fn begin(frame: &[u8]) -> Option<Self> {
        let number = |at: usize, limit: usize| {
            let bytes = [*frame.get(at)?, *frame.get(at + 1)?];
            let number = u8::try_from(u16::from_be_bytes(bytes)).ok()?;
            (usize::from(number) < limit).then_some(number)
        };
        Some(Self {
            api: number(0, APIS)?,
            version: number(2, VERSIONS)?,
            begun: Instant::now(),
        })
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            apis: (0..APIS).map(|_| ApiMeters::default()).collect(),
        }
    }
}

/// What is known of the requests of one API.
pub(super) struct ApiFigures {
    pub(super) api: ApiKey,
    /// version and number of requests, those that came
    pub(super) versions: Vec<(usize, u64)>,
    pub(super) count: u64,
    pub(super) sum_us: u64,
    pub(super) quantiles_us: [(f64, u64); 6],
}

impl RequestMetrics {
    /// The answer is on its way.
    pub fn answered(&self, timed: Timed) {
        let now = Instant::now();
        let Some(api) = self.apis.get(usize::from(timed.api)) else {
            return;
        };
        if let Some(version) = api.versions.get(usize::from(timed.version)) {
            version.add(1);
        }
        let took = u64::try_from((now - timed.begun).as_micros()).unwrap_or(u64::MAX);
        api.total_time_us.record(took, self.at_ms(now));
    }

    fn at_ms(&self, now: Instant) -> u64 {
        u64::try_from((now - self.start).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn figures(&self) -> Vec<ApiFigures> {
        let now = self.at_ms(Instant::now());
        let known = ApiKey::ALL.iter().filter_map(|api| {
            let meters = self.apis.get(usize::try_from(*api as i16).ok()?)?;
            let count = meters.total_time_us.count();
            (count > 0).then_some((*api, meters, count))
        });
        known
            .map(|(api, meters, count)| {
                let versions = meters.versions.iter().map(Counter::get).enumerate();
                let recent = meters.total_time_us.recent(now);
                ApiFigures {
                    api,
                    versions: versions.filter(|(_, count)| *count > 0).collect(),
                    count,
                    sum_us: meters.total_time_us.sum(),
                    quantiles_us: [0.5, 0.75, 0.95, 0.98, 0.99, 0.999]
                        .map(|rank| (rank, recent.percentile(rank))),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_api_and_version() {
        let metrics = RequestMetrics::default();
        for version in [9, 9, 11] {
            metrics.answered(Timed::begin(&[0, 0, 0, version, 1]).unwrap());
        }
        for uncounted in [
            &[0, 0, 0][..],
            &[1, 0, 0, 0],
            &[0, 0, 0xff, 0xff],
            &[0, 200, 0, 0],
        ] {
            assert!(Timed::begin(uncounted).is_none());
        }
        let figures = metrics.figures();
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].api, ApiKey::Produce);
        assert_eq!(figures[0].versions, [(9, 2), (11, 1)]);
        assert_eq!(figures[0].count, 3);
    }

    #[test]
    fn every_api_has_its_place() {
        for api in ApiKey::ALL {
            let versions = api.versions();
            let last = (0..VERSIONS as i16 + 8).rfind(|v| versions.contains(*v));
            assert!((*api as usize) < APIS && last.is_none_or(|v| (v as usize) < VERSIONS));
        }
    }
}
