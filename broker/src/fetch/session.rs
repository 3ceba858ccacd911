//! Fetch sessions: a client names its partitions once and afterwards only what changes, and is
//! answered only with what changed (KIP-227). Time and random numbers are arguments. Mirrors
//! kafka.server.FetchSession, FetchSessionCacheShard and FetchManager.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, PartitionData};
use proto::kafka::{ErrorCode, Str, Uuid};

use crate::metadata::ClusterImage;

/// `FetchMetadata.INVALID_SESSION_ID`: no session.
pub const NO_SESSION: i32 = 0;
/// `FetchMetadata.INITIAL_EPOCH`: asks for a session.
const INITIAL_EPOCH: i32 = 0;
/// `FetchMetadata.FINAL_EPOCH`: wants none, and ends the one it names.
const FINAL_EPOCH: i32 = -1;
/// A session that was not used for so long gives way to any other
/// (`MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_MS: u64 = 120_000;

/// One partition of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `None`: the topic id is not known here
    pub topic: Option<Str>,
    pub topic_id: Uuid,
    pub partition: i32,
    pub fetch_offset: i64,
    pub max_bytes: i32,
    /// -1 where the client does not say
    pub leader_epoch: i32,
}

impl Wanted {
    fn new(topic: Option<Str>, topic_id: Uuid, asked: &FetchPartition) -> Self {
        Self {
            topic,
            topic_id,
            partition: asked.partition,
            fetch_offset: asked.fetch_offset,
            max_bytes: asked.partition_max_bytes,
            leader_epoch: asked.current_leader_epoch,
        }
    }

    /// By id where ids are used, else by name: an unknown name may become known.
    fn key(&self) -> Key {
        if self.topic_id.is_zero() {
            Key::Name(self.topic.clone().unwrap_or_default(), self.partition)
        } else {
            Key::Id(self.topic_id, self.partition)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(Uuid, i32),
    Name(Str, i32),
}

/// A partition of a session: what was asked last, what was answered last.
#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start: i64,
}

impl Cached {
    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            high_watermark: -1,
            log_start: -1,
        }
    }

    /// Takes note of an answer; whether the client has to see it.
    fn note(&mut self, answer: &PartitionData) -> bool {
        let mut news = !answer.records.is_empty() || answer.preferred_read_replica >= 0;
        if self.high_watermark != answer.high_watermark {
            self.high_watermark = answer.high_watermark;
            news = true;
        }
        if self.log_start != answer.log_start_offset {
            self.log_start = answer.log_start_offset;
            news = true;
        }
        if answer.error_code != ErrorCode::NONE {
            // so that the partition is sent again once the error is gone
            self.high_watermark = -1;
            news = true;
        }
        news
    }
}

/// The partitions of one client. In order of their turn: those that gave data go to the end.
#[derive(Debug)]
pub struct Session {
    id: i32,
    epoch: i32,
    by_id: bool,
    turns: BTreeMap<u64, Cached>,
    index: HashMap<Key, u64>,
    next_turn: u64,
}

impl Session {
    fn put(&mut self, cached: Cached) {
        let key = cached.wanted.key();
        let turn = self.next_turn;
        self.next_turn += 1;
        if let Some(old) = self.index.insert(key, turn) {
            self.turns.remove(&old);
        }
        self.turns.insert(turn, cached);
    }

    fn want(&mut self, wanted: Wanted) {
        let known = self.index.get(&wanted.key());
        match known.and_then(|turn| self.turns.get_mut(turn)) {
            Some(cached) => {
                let topic = cached.wanted.topic.take();
                cached.wanted = wanted;
                // the name of an id stays what it was when the session learnt it
                if topic.is_some() {
                    cached.wanted.topic = topic;
                }
            }
            None => self.put(Cached::new(wanted)),
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(turn) = self.index.remove(key) {
            self.turns.remove(&turn);
        }
    }

    /// All partitions in order, after looking again for names that were not known.
    fn all(&mut self, image: &ClusterImage) -> Vec<Wanted> {
        let resolved = |cached: &mut Cached| {
            if cached.wanted.topic.is_none() {
                cached.wanted.topic = image.topic_name(&cached.wanted.topic_id).cloned();
            }
            cached.wanted.clone()
        };
        self.turns.values_mut().map(resolved).collect()
    }

    /// Takes note of an answer; whether it belongs into the response.
    fn answered(&mut self, wanted: &Wanted, answer: &PartitionData) -> bool {
        let Some(turn) = self.index.get(&wanted.key()).copied() else {
            return true;
        };
        let Some(cached) = self.turns.get_mut(&turn) else {
            return true;
        };
        let news = cached.note(answer);
        if !answer.records.is_empty() {
            if let Some(cached) = self.turns.remove(&turn) {
                self.put(cached);
            }
        }
        news
    }
}

fn next_epoch(epoch: i32) -> i32 {
    // wraps to 1: 0 and -1 have a meaning of their own
    epoch.checked_add(1).unwrap_or(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a fetch stands to sessions.
#[derive(Debug)]
pub enum Context {
    /// the session that it names cannot be used
    Refused(ErrorCode),
    Sessionless,
    /// begins a session with what it asks for, if there is room
    Full {
        by_id: bool,
        privileged: bool,
    },
    Incremental {
        session: Arc<Mutex<Session>>,
        epoch: i32,
    },
}

/// What the sessions make of the answers.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub error: ErrorCode,
    pub session_id: i32,
    pub answers: Vec<(Wanted, PartitionData)>,
}

/// All sessions of this broker.
#[derive(Debug)]
pub struct FetchSessions {
    cache: Mutex<Cache>,
    random: fn() -> i32,
}

/// What is kept, and what had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFigures {
    pub sessions: usize,
    pub partitions: usize,
    pub evictions: u64,
}

impl FetchSessions {
    pub fn figures(&self) -> SessionFigures {
        let cache = lock(&self.cache);
        SessionFigures {
            sessions: cache.entries.len(),
            partitions: cache.entries.values().map(|entry| entry.size).sum(),
            evictions: cache.evictions,
        }
    }

    /// `slots` is max.incremental.fetch.session.cache.slots.
    pub fn new(slots: usize, random: fn() -> i32) -> Self {
        Self {
            cache: Mutex::new(Cache::new(slots)),
            random,
        }
    }

    /// Sorts a request in; gives the partitions to be read, in order. Names of topics come from
    /// `image`, so that no session keeps a request's frame.
    pub fn begin(
        &self,
        now_ms: u64,
        version: i16,
        request: &FetchRequest,
        image: &ClusterImage,
    ) -> (Context, Vec<Wanted>) {
        let by_id = version >= 13;
        let wanted = wanted(request, by_id, image);
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            if id != NO_SESSION {
                lock(&self.cache).remove(id);
            }
            let context = if epoch == FINAL_EPOCH {
                Context::Sessionless
            } else {
                Context::Full {
                    by_id,
                    privileged: is_follower(request),
                }
            };
            return (context, wanted);
        }
        let Some(session) = lock(&self.cache).get(id) else {
            return (
                Context::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
                Vec::new(),
            );
        };
        let mut state = lock(&session);
        if state.epoch != epoch {
            let error = ErrorCode::INVALID_FETCH_SESSION_EPOCH;
            return (Context::Refused(error), Vec::new());
        }
        if state.by_id != by_id {
            let error = ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR;
            return (Context::Refused(error), Vec::new());
        }
        let sessionless = (!request.forgotten_topics_data.is_empty()).then(|| wanted.clone());
        wanted.into_iter().for_each(|wanted| state.want(wanted));
        for key in forgotten(request, by_id) {
            state.forget(&key);
        }
        if state.turns.is_empty() {
            drop(state);
            lock(&self.cache).remove(id);
            return (Context::Sessionless, sessionless.unwrap_or_default());
        }
        state.epoch = next_epoch(epoch);
        let (size, expected) = (state.turns.len(), state.epoch);
        let all = state.all(image);
        drop(state);
        lock(&self.cache).touch(id, size, now_ms);
        let context = Context::Incremental {
            session,
            epoch: expected,
        };
        (context, all)
    }

    /// Takes note of the answers and leaves out what the client knows already.
    pub fn finish(
        &self,
        now_ms: u64,
        context: Context,
        mut answers: Vec<(Wanted, PartitionData)>,
    ) -> Outcome {
        let (error, session_id) = match context {
            Context::Refused(error) => {
                answers.clear();
                (error, NO_SESSION)
            }
            Context::Sessionless => (ErrorCode::NONE, NO_SESSION),
            Context::Full { by_id, privileged } => {
                let id = self.create(now_ms, by_id, privileged, &answers);
                (ErrorCode::NONE, id)
            }
            Context::Incremental { session, epoch } => {
                let mut session = lock(&session);
                if session.epoch == epoch {
                    answers.retain(|(wanted, answer)| session.answered(wanted, answer));
                    (ErrorCode::NONE, session.id)
                } else {
                    answers.clear();
                    (ErrorCode::INVALID_FETCH_SESSION_EPOCH, session.id)
                }
            }
        };
        Outcome {
            error,
            session_id,
            answers,
        }
    }

    fn create(
        &self,
        now_ms: u64,
        by_id: bool,
        privileged: bool,
        answers: &[(Wanted, PartitionData)],
    ) -> i32 {
        let mut cache = lock(&self.cache);
        if !cache.make_room(now_ms, privileged, answers.len()) {
            return NO_SESSION;
        }
        let id = cache.new_id(self.random);
        let mut session = Session {
            id,
            epoch: next_epoch(INITIAL_EPOCH),
            by_id,
            turns: BTreeMap::new(),
            index: HashMap::new(),
            next_turn: 0,
        };
        for (wanted, answer) in answers {
            session.put(Cached {
                high_watermark: answer.high_watermark,
                log_start: answer.log_start_offset,
                ..Cached::new(wanted.clone())
            });
        }
        let size = session.turns.len();
        cache.insert(session, privileged, size, now_ms);
        id
    }

    /// Sessions, and partitions in them, for the metrics.
    pub fn count(&self) -> (usize, usize) {
        let cache = lock(&self.cache);
        let partitions = cache.entries.values().map(|entry| entry.size).sum();
        (cache.entries.len(), partitions)
    }
}

pub(crate) fn is_follower(request: &FetchRequest) -> bool {
    request.replica_id >= 0 || request.replica_state.replica_id >= 0
}

fn wanted(request: &FetchRequest, by_id: bool, image: &ClusterImage) -> Vec<Wanted> {
    let mut all = Vec::with_capacity(request.topics.first().map_or(0, |t| t.partitions.len()));
    for topic in &request.topics {
        let (name, id) = if by_id {
            (image.topic_name(&topic.topic_id).cloned(), topic.topic_id)
        } else {
            let known = image.topic(&topic.topic).map(|known| known.name.clone());
            (
                Some(known.unwrap_or_else(|| topic.topic.detach())),
                Uuid::ZERO,
            )
        };
        let new = |asked| Wanted::new(name.clone(), id, asked);
        all.extend(topic.partitions.iter().map(new));
    }
    all
}

fn forgotten(request: &FetchRequest, by_id: bool) -> impl Iterator<Item = Key> {
    request.forgotten_topics_data.iter().flat_map(move |topic| {
        topic.partitions.iter().map(move |partition| {
            if by_id {
                Key::Id(topic.topic_id, *partition)
            } else {
                Key::Name(topic.topic.clone(), *partition)
            }
        })
    })
}

/// What the cache knows of a session without looking into it.
#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<Session>>,
    privileged: bool,
    size: usize,
    created_ms: u64,
    used_ms: u64,
}

/// Sessions by id, and in the orders in which they have to go.
#[derive(Debug)]
struct Cache {
    slots: usize,
    entries: HashMap<i32, Entry>,
    last_used: BTreeSet<(u64, i32)>,
    /// what anyone may push out: sessions that are not new
    evictable_by_all: BTreeSet<(bool, usize, i32)>,
    /// what a follower may push out
    evictable_by_privileged: BTreeSet<(bool, usize, i32)>,
    /// sessions that had to go for others
    evictions: u64,
}

impl Cache {
    fn new(slots: usize) -> Self {
        Self {
            slots,
            entries: HashMap::new(),
            last_used: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_privileged: BTreeSet::new(),
            evictions: 0,
        }
    }

    fn get(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        self.entries.get(&id).map(|entry| entry.session.clone())
    }

    fn new_id(&self, random: fn() -> i32) -> i32 {
        let mut id = random() & i32::MAX;
        while id == NO_SESSION || self.entries.contains_key(&id) {
            id = id.wrapping_add(1) & i32::MAX;
        }
        id
    }

    fn insert(&mut self, session: Session, privileged: bool, size: usize, now_ms: u64) {
        let id = session.id;
        let entry = Entry {
            session: Arc::new(Mutex::new(session)),
            privileged,
            size,
            created_ms: now_ms,
            used_ms: now_ms,
        };
        self.entries.insert(id, entry);
        self.touch(id, size, now_ms);
    }

    fn remove(&mut self, id: i32) {
        if let Some(entry) = self.entries.remove(&id) {
            self.last_used.remove(&(entry.used_ms, id));
            let key = (entry.privileged, entry.size, id);
            self.evictable_by_all.remove(&key);
            self.evictable_by_privileged.remove(&key);
        }
    }

    fn touch(&mut self, id: i32, size: usize, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        self.last_used.remove(&(entry.used_ms, id));
        let old = (entry.privileged, entry.size, id);
        self.evictable_by_all.remove(&old);
        self.evictable_by_privileged.remove(&old);
        entry.used_ms = now_ms;
        entry.size = size;
        self.last_used.insert((now_ms, id));
        let key = (entry.privileged, size, id);
        let settled = now_ms.saturating_sub(entry.created_ms) > EVICTION_MS;
        if !entry.privileged || settled {
            self.evictable_by_privileged.insert(key);
        }
        if settled {
            self.evictable_by_all.insert(key);
        }
    }

    /// Room for one more: a session that nobody uses goes first, then one that is worth less, by
    /// followers before consumers and many partitions before few.
    fn make_room(&mut self, now_ms: u64, privileged: bool, size: usize) -> bool {
        if self.entries.len() < self.slots {
            return true;
        }
        let Some(&(used_ms, oldest)) = self.last_used.first() else {
            return false;
        };
        if now_ms.saturating_sub(used_ms) > EVICTION_MS {
            self.remove(oldest);
            self.evictions += 1;
            return true;
        }
        let evictable = if privileged {
            &self.evictable_by_privileged
        } else {
            &self.evictable_by_all
        };
        match evictable.first().copied() {
            Some(least) if (privileged, size, 0) >= least => {
                self.remove(least.2);
                self.evictions += 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &FetchSessions, now_ms: u64, partitions: i32, follower: bool) -> i32 {
        let context = Context::Full {
            by_id: false,
            privileged: follower,
        };
        let answers = (0..partitions).map(|partition| {
            let asked = FetchPartition {
                partition,
                ..FetchPartition::default()
            };
            let wanted = Wanted::new(Some("t".into()), Uuid::ZERO, &asked);
            (wanted, PartitionData::default())
        });
        sessions
            .finish(now_ms, context, answers.collect())
            .session_id
    }

    fn sessions(slots: usize) -> FetchSessions {
        FetchSessions::new(slots, || 0)
    }

    #[test]
    fn a_full_cache_gives_no_session_to_newcomers() {
        let sessions = sessions(2);
        assert_eq!(open(&sessions, 0, 3, false), 1);
        assert_eq!(open(&sessions, 0, 3, false), 2);
        assert_eq!(open(&sessions, 1000, 9, false), NO_SESSION, "both are new");
        assert_ne!(
            open(&sessions, 1000, 1, true),
            NO_SESSION,
            "a follower goes first"
        );
        assert_eq!(sessions.count(), (2, 4));
    }

    #[test]
    fn what_nobody_uses_goes_first() {
        let sessions = sessions(2);
        let old = open(&sessions, 0, 50, false);
        let used = open(&sessions, 1, 50, false);
        lock(&sessions.cache).touch(used, 50, EVICTION_MS);
        // the number is free again
        assert_eq!(open(&sessions, EVICTION_MS + 2, 1, false), old);
        assert_eq!(sessions.count(), (2, 51));
    }

    #[test]
    fn many_partitions_push_out_few_once_those_are_settled() {
        let sessions = sessions(1);
        let few = open(&sessions, 0, 5, false);
        let later = EVICTION_MS + 10;
        lock(&sessions.cache).touch(few, 5, later);
        assert_eq!(open(&sessions, later, 4, false), NO_SESSION);
        assert_ne!(open(&sessions, later, 6, false), NO_SESSION);
    }
}
