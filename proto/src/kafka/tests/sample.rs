//! Random messages: every field that a version has gets a value, often one at an edge.

use bytes::Bytes;

use crate::kafka::types::{Str, TaggedField, Tags};
use crate::kafka::wire::Ver;

/// A small seeded generator (splitmix64), so that a failure names all that is needed to repeat it.
pub struct Sampler {
    state: u64,
    /// Longest array; shrinks with depth so that messages stay small.
    depth: u32,
    unknown_tags: bool,
}

impl Sampler {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            depth: 0,
            unknown_tags: seed % 4 == 3,
        }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn number(&mut self) -> i64 {
        match self.below(5) {
            0 => 0,
            1 => -1,
            2 => self.below(100) as i64,
            3 => i64::MAX >> self.below(63),
            _ => self.next() as i64,
        }
    }

    pub fn option<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(4) != 0).then(|| some(self))
    }

    pub fn vec<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let n = self.below(u64::from(4u32.saturating_sub(self.depth).max(2)));
        self.depth += 1;
        let items = (0..n).map(|_| item(self)).collect();
        self.depth -= 1;
        items
    }

    pub fn text(&mut self) -> Str {
        let n = match self.below(12) {
            0 => 0,
            1 => 126 + self.below(4),
            _ => 1 + self.below(12),
        };
        (0..n)
            .map(|_| ['a', 'Z', '0', '-', 'é', '語'][self.below(6) as usize])
            .collect::<String>()
            .into()
    }

    pub fn bytes(&mut self) -> Bytes {
        let n = match self.below(30) {
            0 => 0,
            1 => 4096 + self.below(3),
            2 => 126 + self.below(4),
            _ => 1 + self.below(20),
        };
        (0..n).map(|_| self.next() as u8).collect()
    }

    pub fn tags(&mut self, v: Ver) -> Tags {
        let mut tags = Tags::default();
        if self.unknown_tags && v.flexible && self.below(3) == 0 {
            for _ in 0..=self.below(2) {
                // Above every tag of the schema.
                let tag = 100 + self.below(400) as u32;
                tags.insert(TaggedField {
                    tag,
                    data: self.bytes(),
                });
            }
        }
        tags
    }
}
