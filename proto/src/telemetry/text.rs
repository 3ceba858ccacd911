//! Prometheus' text format 0.0.4, spelled as Java's client library spells it (`3.0`, a comma after
//! the last label).

use std::fmt::Write;

use super::family::{LabelPair, Metric, MetricFamily, MetricType};

/// Appends families in the text format.
pub fn write_text(families: &[MetricFamily], out: &mut String) {
    for family in families {
        let name = family.name.as_deref().unwrap_or_default();
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        escape(family.help.as_deref().unwrap_or_default(), false, out);
        out.push_str("\n# TYPE ");
        out.push_str(name);
        out.push(' ');
        out.push_str(match family.r#type() {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Summary => "summary",
            MetricType::Untyped => "untyped",
            MetricType::Histogram => "histogram",
        });
        out.push('\n');
        for metric in &family.metric {
            write_metric(name, metric, out);
        }
    }
}

fn write_metric(name: &str, metric: &Metric, out: &mut String) {
    let single = metric
        .counter
        .as_ref()
        .map(|counter| counter.value)
        .or_else(|| metric.gauge.as_ref().map(|gauge| gauge.value))
        .or_else(|| metric.untyped.as_ref().map(|untyped| untyped.value));
    if let Some(value) = single {
        sample(
            name,
            "",
            &metric.label,
            None,
            value.unwrap_or_default(),
            out,
        );
    }
    if let Some(summary) = &metric.summary {
        for quantile in &summary.quantile {
            let rank = number(quantile.quantile.unwrap_or_default());
            let extra = Some(("quantile", rank.as_str()));
            let value = quantile.value.unwrap_or_default();
            sample(name, "", &metric.label, extra, value, out);
        }
        let (count, sum) = (summary.sample_count, summary.sample_sum);
        totals(name, metric, count, sum, out);
    }
    if let Some(histogram) = &metric.histogram {
        for bucket in &histogram.bucket {
            let bound = number(bucket.upper_bound.unwrap_or(f64::INFINITY));
            let extra = Some(("le", bound.as_str()));
            let count = real(bucket.cumulative_count);
            sample(name, "_bucket", &metric.label, extra, count, out);
        }
        let (count, sum) = (histogram.sample_count, histogram.sample_sum);
        totals(name, metric, count, sum, out);
    }
}

fn totals(name: &str, metric: &Metric, count: Option<u64>, sum: Option<f64>, out: &mut String) {
    sample(name, "_count", &metric.label, None, real(count), out);
    let sum = sum.unwrap_or_default();
    sample(name, "_sum", &metric.label, None, sum, out);
}

/// A count as Prometheus keeps all values; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "the format knows only doubles")]
fn real(count: Option<u64>) -> f64 {
    count.unwrap_or_default() as f64
}

fn sample(
    name: &str,
    suffix: &str,
    labels: &[LabelPair],
    extra: Option<(&str, &str)>,
    value: f64,
    out: &mut String,
) {
    out.push_str(name);
    out.push_str(suffix);
    let own = labels.iter().map(|label| {
        let name = label.name.as_deref().unwrap_or_default();
        (name, label.value.as_deref().unwrap_or_default())
    });
    let mut first = true;
    for (name, value) in own.chain(extra) {
        out.push_str(if first { "{" } else { "" });
        first = false;
        out.push_str(name);
        out.push_str("=\"");
        escape(value, true, out);
        out.push_str("\",");
    }
    out.push_str(if first { " " } else { "} " });
    out.push_str(&number(value));
    out.push('\n');
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        return "+Inf".to_owned();
    }
    if value == f64::NEG_INFINITY {
        return "-Inf".to_owned();
    }
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(text, "{value:?}");
    text
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
