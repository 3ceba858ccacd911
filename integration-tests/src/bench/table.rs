//! What was compared, as lines of a table: medians, and ratios of neighbouring rounds only.

use std::fmt::Write as _;

use super::round::Round;

/// One measured load: rounds of both sides, `pairs[i]` (ours, Apache's) being neighbours in time.
#[derive(Debug)]
pub struct Comparison {
    pub name: String,
    pub pairs: Vec<(Round, Round)>,
    /// around each pair, what no server can do without: the p99 in microseconds of an `fdatasync` or an
    /// echo, the CPU time of a bare copy to a file in s/GB; 0 where it was not measured
    pub floor: Vec<f64>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Comparison {
    /// Medians of ours, of Apache's and of the ratios of neighbours.
    fn medians(&self, figure: impl Fn(&Round, f64) -> f64) -> (f64, f64, f64) {
        let values: Vec<(f64, f64)> = self
            .pairs
            .iter()
            .zip(&self.floor)
            .map(|((ours, java), &floor)| (figure(ours, floor), figure(java, floor)))
            .collect();
        (
            median(values.iter().map(|v| v.0).collect()),
            median(values.iter().map(|v| v.1).collect()),
            median(values.iter().map(|v| v.0 / v.1).collect()),
        )
    }
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    None,
    /// at most this share of Apache's
    Ratio(f64),
    /// ours at most this
    Ours(f64),
}

/// The lines of one table, printed as they come.
#[derive(Debug)]
pub struct Table {
    pub text: String,
}

impl Default for Table {
    fn default() -> Self {
        let mut table = Self {
            text: String::new(),
        };
        table.line("| load | figure | ours | Apache's | ours / Apache's | target |");
        table.line("| --- | --- | --- | --- | --- | --- |");
        table
    }
}

impl Table {
    #[allow(clippy::print_stdout, reason = "the benchmark's output")]
    fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A figure of the rounds.
    pub fn row(
        &mut self,
        c: &Comparison,
        figure: &str,
        target: Target,
        of: impl Fn(&Round) -> f64,
    ) {
        self.medians(c, figure, target, |round, _| of(round));
    }

    fn medians(
        &mut self,
        c: &Comparison,
        figure: &str,
        target: Target,
        of: impl Fn(&Round, f64) -> f64,
    ) {
        let (ours, java, ratio) = c.medians(of);
        self.plain(&c.name, figure, (ours, java, ratio), target);
    }

    /// How much of the p99 is what no server can do without.
    pub fn floor_share(&mut self, c: &Comparison, figure: &str) {
        self.share(c, figure, |round| round.percentile(0.99));
    }

    /// How much of a figure is what no server can do without.
    pub fn share(&mut self, c: &Comparison, figure: &str, of: impl Fn(&Round) -> f64) {
        let share = |round: &Round, floor: f64| (floor / of(round)).min(1.0);
        self.medians(c, figure, Target::None, share);
    }

    /// Throughput and latencies, with targets for the median and the p99.
    pub fn latencies(&mut self, c: &Comparison, p50: Target, p99: Target) {
        self.row(c, "op/s", Target::None, Round::operations_per_second);
        for (figure, share, target) in [
            ("p50 us", 0.5, p50),
            ("p99.9 us", 0.999, Target::None),
            ("p99 us", 0.99, p99),
        ] {
            self.row(c, figure, target, |r| r.percentile(share));
        }
    }

    /// The same for figures that are not taken from rounds: ours, Apache's, their ratio.
    pub fn plain(&mut self, load: &str, figure: &str, values: (f64, f64, f64), target: Target) {
        let (ours, java, ratio) = values;
        let mut line = format!("| {load} | {figure} | {ours:.3} | {java:.3} | {ratio:.3} | ");
        let (limit, met) = match target {
            Target::None => (String::new(), true),
            Target::Ratio(limit) => (format!("<= {limit} "), ratio <= limit),
            Target::Ours(limit) => (format!("ours <= {limit} "), ours <= limit),
        };
        let verdict = match (limit.is_empty(), met) {
            (true, _) => "",
            (false, true) => "met",
            (false, false) => "MISSED",
        };
        let _ = write!(line, "{limit}{verdict} |");
        self.line(&line);
    }
}
