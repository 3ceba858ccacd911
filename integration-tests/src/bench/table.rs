//! The comparison: rounds of ours and of Apache's in turn, ratios of neighbours only.

use super::round::Round;

/// One measured load: rounds of both sides, `pairs[i]` being neighbours in time.
#[derive(Debug)]
pub struct Comparison {
    pub name: String,
    pub pairs: Vec<(Round, Round)>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Comparison {
    /// Median over the pairs of ours / Apache's.
    pub fn ratio(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(
            self.pairs
                .iter()
                .map(|(ours, java)| figure(ours) / figure(java))
                .collect(),
        )
    }

    pub fn ours(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.pairs.iter().map(|(ours, _)| figure(ours)).collect())
    }

    pub fn java(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.pairs.iter().map(|(_, java)| figure(java)).collect())
    }
}

/// A line of the table: load, figure, ours, Apache's, ratio, target.
pub fn row(
    comparison: &Comparison,
    figure: &str,
    target: Option<f64>,
    of: impl Fn(&Round) -> f64,
) -> String {
    plain(
        &comparison.name,
        figure,
        comparison.ours(&of),
        comparison.java(&of),
        comparison.ratio(&of),
        target,
    )
}

/// The same for figures that are not taken from rounds.
pub fn plain(
    load: &str,
    figure: &str,
    ours: f64,
    java: f64,
    ratio: f64,
    target: Option<f64>,
) -> String {
    let verdict = match target {
        None => String::new(),
        Some(t) if ratio <= t => format!("<= {t} met"),
        Some(t) => format!("<= {t} MISSED"),
    };
    format!("| {load} | {figure} | {ours:.3} | {java:.3} | {ratio:.3} | {verdict} |")
}

pub const HEAD: &str = "| load | figure | ours | Apache's | ours / Apache's | target |\n\
                        | --- | --- | --- | --- | --- | --- |";
