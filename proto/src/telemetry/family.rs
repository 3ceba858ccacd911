//! The messages of `io.prometheus.client` (metrics.proto), as far as they are written here. Derived
//! by hand: no compiler of protobuf is needed to build.

#[derive(Clone, PartialEq, prost::Message)]
pub struct LabelPair {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Gauge {
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Counter {
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Untyped {
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Quantile {
    #[prost(double, optional, tag = "1")]
    pub quantile: Option<f64>,
    #[prost(double, optional, tag = "2")]
    pub value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub quantile: Vec<Quantile>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub bucket: Vec<Bucket>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    pub summary: Option<Summary>,
    #[prost(message, optional, tag = "5")]
    pub untyped: Option<Untyped>,
    #[prost(int64, optional, tag = "6")]
    pub timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<Histogram>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MetricType {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Untyped = 3,
    Histogram = 4,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    pub r#type: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub metric: Vec<Metric>,
}

impl LabelPair {
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
        }
    }
}

impl Metric {
    pub fn counter(value: f64) -> Self {
        Self {
            counter: Some(Counter { value: Some(value) }),
            ..Self::default()
        }
    }

    pub fn gauge(value: f64) -> Self {
        Self {
            gauge: Some(Gauge { value: Some(value) }),
            ..Self::default()
        }
    }

    /// `quantiles`: rank between 0 and 1, and value
    pub fn summary(count: u64, sum: f64, quantiles: &[(f64, f64)]) -> Self {
        let quantile = quantiles.iter().map(|(rank, value)| Quantile {
            quantile: Some(*rank),
            value: Some(*value),
        });
        Self {
            summary: Some(Summary {
                sample_count: Some(count),
                sample_sum: Some(sum),
                quantile: quantile.collect(),
            }),
            ..Self::default()
        }
    }

    /// The same with a label more.
    pub fn labelled(mut self, name: &str, value: &str) -> Self {
        self.label.push(LabelPair::new(name, value));
        self
    }
}

impl MetricFamily {
    pub fn of(name: &str, help: &str, kind: MetricType, metric: Vec<Metric>) -> Self {
        Self {
            name: Some(name.to_owned()),
            help: Some(help.to_owned()),
            r#type: Some(kind.into()),
            metric,
        }
    }

    pub fn counter(name: &str, help: &str, value: f64) -> Self {
        Self::of(
            name,
            help,
            MetricType::Counter,
            vec![Metric::counter(value)],
        )
    }

    pub fn gauge(name: &str, help: &str, value: f64) -> Self {
        Self::of(name, help, MetricType::Gauge, vec![Metric::gauge(value)])
    }

    pub fn summary(name: &str, help: &str, count: u64, sum: f64, quantiles: &[(f64, f64)]) -> Self {
        let metric = Metric::summary(count, sum, quantiles);
        Self::of(name, help, MetricType::Summary, vec![metric])
    }
}
