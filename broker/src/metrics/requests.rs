//! Requests by API and version, the errors in their answers, and where their time went. Mirrors
//! kafka.network.RequestMetrics and RequestChannel.updateRequestMetrics.
//!
//! There are no queues between threads here, so the parts mean: RequestQueueTime, from the last
//! byte read to the handler (behind earlier requests of the connection, or for memory); LocalTime,
//! the handler, a produce's way over its log shard included; RemoteTime, waiting for others:
//! records to come, replicas, group members, ZooKeeper; ResponseQueueTime, until earlier answers
//! of the connection had left; ResponseSendTime, until the socket had taken the last byte.
#![allow(clippy::disallowed_methods, reason = "measures how long answers take")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use driver::metrics::{Counter, Recent, Summary};
use proto::kafka::encode::ErrorTally;
use proto::kafka::{ApiKey, ErrorCode};

/// One more than the largest number of an API that is counted.
const APIS: usize = 76;
/// The place of fetches by other brokers; those of consumers have that of the API.
const FETCH_FOLLOWER: usize = APIS;
const FETCH: usize = ApiKey::Fetch as usize;
/// One more than the largest version that is counted.
const VERSIONS: usize = 24;
/// Error codes that are counted, from -1 on.
const ERRORS: usize = 160;

/// The parts of a request's time, and its size. Total comes first: every request has one.
pub(super) const PARTS: [&str; 9] = [
    "totaltimems",
    "requestqueuetimems",
    "localtimems",
    "remotetimems",
    "responsequeuetimems",
    "responsesendtimems",
    "requestbytes",
    "messageconversionstimems",
    "temporarymemorybytes",
];
const BYTES: usize = 6;
const TEMPORARY: usize = 8;

/// Whether requests of this name have this part: only records are converted.
pub(super) fn has(request: &str, part: usize) -> bool {
    part <= BYTES || matches!(request, "Produce" | "Fetch")
}

pub(super) const RANKS: [(&str, f64); 6] = [
    ("0.50", 0.5),
    ("0.75", 0.75),
    ("0.95", 0.95),
    ("0.98", 0.98),
    ("0.99", 0.99),
    ("0.999", 0.999),
];

#[derive(Debug)]
pub struct RequestMetrics {
    start: Instant,
    apis: Box<[ApiMeters]>,
}

#[derive(Debug, Default)]
struct ApiMeters {
    versions: [Counter; VERSIONS],
    /// microseconds and bytes; zeros are left out of all but the first
    parts: [Recent; PARTS.len()],
    errors: OnceLock<Box<[Counter; ERRORS]>>,
}

/// What a handler knows of its request and the connection does not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Account {
    /// how long it waited for others; `None`: since it first had to wait
    pub waited: Option<Duration>,
    /// a Fetch of another broker
    pub follower: bool,
    conversions: Duration,
    /// bytes that were held only to convert records
    temporary: usize,
}

impl Account {
    /// Records were written anew, in another format or codec.
    pub fn converted(&mut self, time: Duration, bytes: usize) {
        self.conversions += time;
        self.temporary = self.temporary.saturating_add(bytes);
    }
}

/// A request on its way, with the times at which it got from one stage to the next.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    api: u8,
    version: u8,
    bytes: usize,
    read: Instant,
    begun: Instant,
    /// the handler first had to wait
    waits: Option<Instant>,
    ready: Instant,
    sends: Instant,
    account: Account,
}

impl Timed {
    /// A request that was read at `read` goes to its handler now. `None` for what is not counted.
    pub fn begin(frame: &[u8], read: Instant) -> Option<Self> {
        let number = |at: usize, limit: usize| {
            let bytes = [*frame.get(at)?, *frame.get(at + 1)?];
            let number = u8::try_from(u16::from_be_bytes(bytes)).ok()?;
            (usize::from(number) < limit).then_some(number)
        };
        let begun = Instant::now();
        Some(Self {
            api: number(0, APIS)?,
            version: number(2, VERSIONS)?,
            bytes: frame.len(),
            read,
            begun,
            waits: None,
            ready: begun,
            sends: begun,
            account: Account::default(),
        })
    }

    /// The answer is not there yet.
    pub fn waits(&mut self, now: Instant) {
        self.waits.get_or_insert(now);
    }

    pub fn is_waiting(&self) -> bool {
        self.waits.is_some()
    }

    /// The answer is there.
    pub fn ready(&mut self, now: Instant, account: Account) {
        (self.ready, self.sends, self.account) = (now, now, account);
    }

    /// The answer's turn has come.
    pub fn sends(&mut self, now: Instant) {
        self.sends = now;
    }

    /// Microseconds, and bytes, in the order of [`PARTS`].
    fn parts(&self, now: Instant) -> [u64; PARTS.len()] {
        let us = |from: Instant, to: Instant| micros(to.saturating_duration_since(from));
        let handled = us(self.begun, self.ready);
        let remote = match (self.account.waited, self.waits) {
            (Some(waited), _) => micros(waited).min(handled),
            (None, Some(since)) => us(since, self.ready),
            (None, None) => 0,
        };
        [
            us(self.read, now),
            us(self.read, self.begun),
            handled - remote.min(handled),
            remote,
            us(self.ready, self.sends),
            us(self.sends, now),
            self.bytes as u64,
            micros(self.account.conversions),
            self.account.temporary as u64,
        ]
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            apis: (0..=FETCH_FOLLOWER).map(|_| ApiMeters::default()).collect(),
        }
    }
}

/// What is known of the requests under one name.
pub(super) struct ApiFigures {
    pub(super) request: &'static str,
    /// version and number of requests, those that came
    pub(super) versions: Vec<(usize, u64)>,
    pub(super) count: u64,
    /// of each of [`PARTS`]
    pub(super) parts: Vec<PartFigures>,
}

pub(super) struct PartFigures {
    pub(super) sum: f64,
    /// in the order of [`RANKS`]
    pub(super) quantiles: [f64; RANKS.len()],
}

impl RequestMetrics {
    /// The answer has left, or there was none to be sent.
    pub fn done(&self, timed: &Timed, now: Instant) {
        let at = match (usize::from(timed.api), timed.account.follower) {
            (FETCH, true) => FETCH_FOLLOWER,
            (api, _) => api,
        };
        let Some(api) = self.apis.get(at) else {
            return;
        };
        if let Some(version) = api.versions.get(usize::from(timed.version)) {
            version.add(1);
        }
        let now_ms = self.at_ms(now);
        for (at, (part, value)) in api.parts.iter().zip(timed.parts(now)).enumerate() {
            if at == 0 || value > 0 {
                part.record(value, now_ms);
            }
        }
    }

    /// The error codes of an answer.
    pub fn errors(&self, api: ApiKey, tally: &ErrorTally) {
        let Some(meters) = self.apis.get(api as usize) else {
            return;
        };
        let errors = meters
            .errors
            .get_or_init(|| Box::new([const { Counter::new() }; ERRORS]));
        let place = |code: ErrorCode| usize::try_from(code.0 + 1).ok();
        let count = |code, times| {
            if let Some(counter) = place(code).and_then(|at| errors.get(at)) {
                counter.add(times);
            }
        };
        if tally.none > 0 {
            count(ErrorCode::NONE, tally.none.into());
        }
        tally.failed.iter().for_each(|code| count(*code, 1));
    }

    fn at_ms(&self, now: Instant) -> u64 {
        u64::try_from((now - self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// The requests that came, by the names that Kafka gives them.
    pub(super) fn figures(&self) -> Vec<ApiFigures> {
        let now = self.at_ms(Instant::now());
        let mut all = Vec::new();
        for api in ApiKey::ALL {
            let at = *api as usize;
            if *api == ApiKey::Fetch {
                all.extend(self.sum_of("FetchConsumer", &[FETCH], now));
                all.extend(self.sum_of("FetchFollower", &[FETCH_FOLLOWER], now));
                all.extend(self.sum_of("Fetch", &[FETCH, FETCH_FOLLOWER], now));
            } else {
                all.extend(self.sum_of(api.name(), &[at], now));
            }
        }
        all
    }

    fn sum_of(&self, request: &'static str, places: &[usize], now: u64) -> Option<ApiFigures> {
        let meters: Vec<&ApiMeters> = places.iter().filter_map(|at| self.apis.get(*at)).collect();
        let count: u64 = meters.iter().map(|m| m.parts[0].count()).sum();
        if count == 0 {
            return None;
        }
        let of_version = |v: usize| meters.iter().map(|m| m.versions[v].get()).sum::<u64>();
        let versions = (0..VERSIONS).map(|v| (v, of_version(v)));
        let mut recent = 0;
        let parts = (0..PARTS.len()).map(|part| {
            let mut values = Summary::default();
            for meters in &meters {
                meters.parts[part].add_recent(now, &mut values);
            }
            match part {
                0 => recent = values.count(),
                _ => values.record_many(0, recent.saturating_sub(values.count())),
            }
            let sum: u64 = meters.iter().map(|m| m.parts[part].sum()).sum();
            PartFigures {
                sum: shown(part, sum),
                quantiles: RANKS.map(|(_, rank)| shown(part, values.percentile(rank))),
            }
        });
        let parts = parts.collect();
        Some(ApiFigures {
            request,
            versions: versions.filter(|(_, count)| *count > 0).collect(),
            count,
            parts,
        })
    }

    /// API, error and how often, those that came.
    pub(super) fn error_figures(&self) -> Vec<(&'static str, ErrorCode, u64)> {
        let mut all = Vec::new();
        for api in ApiKey::ALL {
            let meters = self.apis.get(*api as usize);
            let Some(errors) = meters.and_then(|meters| meters.errors.get()) else {
                continue;
            };
            for (code, counter) in (-1..).zip(errors.iter()) {
                if counter.get() > 0 {
                    all.push((api.name(), ErrorCode(code), counter.get()));
                }
            }
        }
        all
    }
}

/// Milliseconds of microseconds; bytes stay what they are.
#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn shown(part: usize, value: u64) -> f64 {
    match part {
        BYTES | TEMPORARY => value as f64,
        _ => value as f64 / 1000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(frame: &[u8]) -> Option<Timed> {
        Timed::begin(frame, Instant::now())
    }

    #[test]
    fn requests_are_counted_by_api_and_version() {
        let metrics = RequestMetrics::default();
        for version in [9, 9, 11] {
            let timed = timed(&[0, 0, 0, version, 1]).unwrap();
            metrics.done(&timed, Instant::now());
        }
        for uncounted in [
            &[0, 0, 0][..],
            &[1, 0, 0, 0],
            &[0, 0, 0xff, 0xff],
            &[0, 200, 0, 0],
        ] {
            assert!(timed(uncounted).is_none());
        }
        let figures = metrics.figures();
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].request, "Produce");
        assert_eq!(figures[0].versions, [(9, 2), (11, 1)]);
        assert_eq!(figures[0].count, 3);
        assert!((figures[0].parts[BYTES].sum - 15.0).abs() < 1e-9);
    }

    #[test]
    fn times_are_split_at_the_stages() {
        let metrics = RequestMetrics::default();
        let ms = Duration::from_millis;
        let mut fetch = timed(&[0, 1, 0, 4, 0]).unwrap();
        let start = fetch.begun;
        fetch.read = start - ms(2);
        fetch.waits(start + ms(10));
        fetch.ready(start + ms(500), Account::default());
        fetch.sends(start + ms(503));
        metrics.done(&fetch, start + ms(510));
        let mut produce = timed(&[0, 0, 0, 9, 0]).unwrap();
        let start = produce.begun;
        produce.waits(start + ms(1));
        let account = Account {
            waited: Some(ms(40)),
            ..Account::default()
        };
        produce.ready(start + ms(100), account);
        metrics.done(&produce, start + ms(100));
        let figures = metrics.figures();
        let names: Vec<_> = figures.iter().map(|f| f.request).collect();
        assert_eq!(names, ["Produce", "FetchConsumer", "Fetch"]);
        let sums = |at: usize| -> Vec<f64> { figures[at].parts.iter().map(|p| p.sum).collect() };
        let (converted, temporary) = (0.0, 0.0);
        assert_eq!(sums(1)[..7], [512.0, 2.0, 10.0, 490.0, 3.0, 7.0, 5.0]);
        assert_eq!(sums(1)[7..], [converted, temporary]);
        assert_eq!(sums(2), sums(1));
        assert_eq!(sums(0)[2..5], [60.0, 40.0, 0.0]);
    }

    #[test]
    fn parts_that_took_no_time_count_as_zeros() {
        let metrics = RequestMetrics::default();
        for waited in [0, 0, 0, 1000] {
            let mut timed = timed(&[0, 3, 0, 1, 0]).unwrap();
            let account = Account {
                waited: Some(Duration::from_micros(waited)),
                ..Account::default()
            };
            timed.ready(timed.begun + Duration::from_millis(2), account);
            metrics.done(&timed, timed.ready);
        }
        let remote = &metrics.figures()[0].parts[3].quantiles;
        assert!(remote[0] < 0.001 && remote[4] >= 1.0, "{remote:?}");
    }

    #[test]
    fn errors_are_counted_by_api() {
        let metrics = RequestMetrics::default();
        let tally = ErrorTally {
            none: 2,
            failed: vec![ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode(9999)],
        };
        metrics.errors(ApiKey::Fetch, &tally);
        metrics.errors(ApiKey::Fetch, &tally);
        let expected = [
            ("Fetch", ErrorCode::UNKNOWN_SERVER_ERROR, 2),
            ("Fetch", ErrorCode::NONE, 4),
        ];
        assert_eq!(metrics.error_figures(), expected);
    }

    #[test]
    fn every_api_and_error_has_its_place() {
        for api in ApiKey::ALL {
            let versions = api.versions();
            let last = (0..VERSIONS as i16 + 8).rfind(|v| versions.contains(*v));
            assert!((*api as usize) < APIS && last.is_none_or(|v| (v as usize) < VERSIONS));
        }
        let last = ErrorCode::ALL.iter().map(|code| code.0).max().unwrap();
        assert!(usize::try_from(last + 1).unwrap() < ERRORS);
    }
}
