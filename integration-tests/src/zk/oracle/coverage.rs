//! How often each operation ended in each way.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of (operation, outcome); parts of a multi count as `multi:create` and so on.
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    counts: BTreeMap<(String, String), u64>,
}

impl Coverage {
    pub fn count(&mut self, op: &str, outcome: &str) {
        *self
            .counts
            .entry((op.to_owned(), outcome.to_owned()))
            .or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (key, n) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += n;
        }
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Those of the required `op outcome` pairs that never happened.
    pub fn missing<'a>(&self, required: &[&'a str]) -> Vec<&'a str> {
        required
            .iter()
            .filter(|wanted| {
                let (op, outcome) = wanted.split_once(' ').expect("op outcome");
                !self
                    .counts
                    .contains_key(&(op.to_owned(), outcome.to_owned()))
            })
            .copied()
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line_of = "";
        for ((op, outcome), n) in &self.counts {
            if op != line_of {
                let newline = if line_of.is_empty() { "" } else { "\n" };
                write!(f, "{newline}{op:<22}")?;
                line_of = op;
            }
            write!(f, " {outcome}={n}")?;
        }
        writeln!(f)
    }
}
