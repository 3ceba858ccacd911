//! Quotas: which subtrees have one, and the text that limit and stat nodes hold (Java: `Quotas`,
//! `PathTrie`, `StatsTrack`).

use std::collections::{BTreeMap, BTreeSet};

/// Quotas live below this node.
pub const ROOT: &str = "/zookeeper/quota";
/// Where the limits of the root would lie, which has none.
pub const ROOT_LIMITS: &str = "/zookeeper/quota/zookeeper_limits";
/// Holds the limits of a subtree.
pub const LIMITS: &str = "zookeeper_limits";
/// Holds what the subtree has.
pub const STATS: &str = "zookeeper_stats";

pub fn limits_path(prefix: &str) -> String {
    format!("{ROOT}{prefix}/{LIMITS}")
}

pub fn stats_path(prefix: &str) -> String {
    format!("{ROOT}{prefix}/{STATS}")
}

/// The subtrees with a quota.
#[derive(Debug, Default)]
pub struct QuotaPrefixes(BTreeSet<Box<str>>);

impl QuotaPrefixes {
    pub fn insert(&mut self, path: &str) {
        if path.len() > 1 {
            self.0.insert(path.into());
        }
    }

    pub fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|path| &**path)
    }

    /// The deepest subtree with a quota that `path` lies in. The root has none.
    pub fn deepest<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.0.is_empty() {
            return None;
        }
        let mut prefix = path;
        while prefix.len() > 1 {
            if self.0.contains(prefix) {
                return Some(prefix);
            }
            prefix = &prefix[..prefix.rfind('/')?];
        }
        None
    }
}

/// `count=1,bytes=2` and, since 3.7, `=;byteHardLimit=3;countHardLimit=4`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatsTrack(BTreeMap<String, i64>);

impl StatsTrack {
    /// Text that nobody wrote as a quota reads as one without limits.
    pub fn parse(data: &[u8]) -> Self {
        let text = String::from_utf8_lossy(data);
        let pairs = text.split([',', ';']).filter_map(|pair| {
            let mut parts = pair.split('=');
            let (key, value) = (parts.next()?, parts.next()?);
            let value = if value.is_empty() {
                -1
            } else {
                value.parse().ok()?
            };
            Some((key.to_owned(), value))
        });
        Self(pairs.collect())
    }

    pub fn with(count: i64, bytes: i64) -> Self {
        let mut track = Self::default();
        track.set_count(count);
        track.set_bytes(bytes);
        track
    }

    fn value(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    pub fn count(&self) -> i64 {
        self.value("count")
    }

    pub fn bytes(&self) -> i64 {
        self.value("bytes")
    }

    pub fn count_hard_limit(&self) -> i64 {
        self.value("countHardLimit")
    }

    pub fn byte_hard_limit(&self) -> i64 {
        self.value("byteHardLimit")
    }

    pub fn set_count(&mut self, count: i64) {
        self.0.insert("count".into(), count);
    }

    pub fn set_bytes(&mut self, bytes: i64) {
        self.0.insert("bytes".into(), bytes);
    }

    /// As Java writes it: the two old keys first, then an `=` that makes old servers ignore the
    /// rest.
    pub fn to_text(&self) -> String {
        let mut out = format!("count={},bytes={}", self.count(), self.bytes());
        let mut first = true;
        for (key, value) in &self.0 {
            if key == "count" || key == "bytes" {
                continue;
            }
            if first {
                out.push('=');
                first = false;
            }
            out.push_str(&format!(";{key}={value}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_javas() {
        let text = "count=5,bytes=-1=;byteHardLimit=7;countHardLimit=9";
        let track = StatsTrack::parse(text.as_bytes());
        assert_eq!(
            (track.count(), track.bytes(), track.byte_hard_limit()),
            (5, -1, 7)
        );
        assert_eq!(track.count_hard_limit(), 9);
        assert_eq!(track.to_text(), text);
        assert_eq!(StatsTrack::with(1, 2).to_text(), "count=1,bytes=2");
        assert_eq!(StatsTrack::parse(b"junk").count(), -1);
        assert_eq!(StatsTrack::parse(b"").to_text(), "count=-1,bytes=-1");
    }

    #[test]
    fn the_deepest_prefix_counts() {
        let mut quotas = QuotaPrefixes::default();
        quotas.insert("/a");
        quotas.insert("/a/b/c");
        quotas.insert("");
        quotas.insert("/");
        assert_eq!(quotas.deepest("/a/b/c/d"), Some("/a/b/c"));
        assert_eq!(quotas.deepest("/a/b"), Some("/a"));
        assert_eq!(quotas.deepest("/ab"), None);
        quotas.remove("/a");
        assert_eq!(quotas.deepest("/a/b"), None);
    }
}
