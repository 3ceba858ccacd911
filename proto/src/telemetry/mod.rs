//! Metrics as Prometheus takes them: families in memory, the text format and the protobuf format.
//! Pure: values in, bytes out.

mod family;
mod text;

pub use family::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Quantile,
    Summary, Untyped,
};
pub use text::write_text;

use bytes::{BufMut, BytesMut};
use prost::Message;

/// `Content-Type` of [`write_text`].
pub const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// `Content-Type` of [`write_delimited`].
pub const PROTOBUF_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The protobuf format: each family after its length.
pub fn write_delimited(families: &[MetricFamily], out: &mut BytesMut) {
    for family in families {
        let len = family.encoded_len();
        out.reserve(prost::length_delimiter_len(len) + len);
        // A BytesMut takes whatever it is given.
        let _ = prost::encode_length_delimiter(len, out);
        family.encode_raw(out);
    }
}

/// Families in the format that a request's `Accept` header prefers, and its `Content-Type`.
pub fn negotiate(accept: Option<&str>, families: &[MetricFamily]) -> (&'static str, BytesMut) {
    let mut out = BytesMut::new();
    if prefers_protobuf(accept.unwrap_or_default()) {
        write_delimited(families, &mut out);
        return (PROTOBUF_TYPE, out);
    }
    let mut text = String::new();
    write_text(families, &mut text);
    out.put(text.as_bytes());
    (TEXT_TYPE, out)
}

/// Whether the protobuf format of an `Accept` header weighs more than each text format.
fn prefers_protobuf(accept: &str) -> bool {
    let (mut protobuf, mut text) = (0.0_f32, 0.0_f32);
    for choice in accept.split(',') {
        let mut parts = choice.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let (mut weight, mut delimited, mut family) = (1.0_f32, false, false);
        for parameter in parts {
            match parameter.split_once('=') {
                Some(("q", q)) => weight = q.parse().unwrap_or(0.0),
                Some(("encoding", encoding)) => delimited = encoding == "delimited",
                Some(("proto", proto)) => family = proto == "io.prometheus.client.MetricFamily",
                _ => {}
            }
        }
        match kind {
            "application/vnd.google.protobuf" if delimited && family => {
                protobuf = weight.max(protobuf);
            }
            "application/vnd.google.protobuf" => {}
            _ => text = weight.max(text),
        }
    }
    protobuf > 0.0 && protobuf >= text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<MetricFamily> {
        vec![
            MetricFamily::counter("request_count", "requests", 3.0),
            MetricFamily::gauge("uptime", "uptime", 1.5),
            MetricFamily::summary(
                "readlatency",
                "readlatency",
                2,
                5.0,
                &[(0.5, 2.0), (0.99, 3.0)],
            ),
        ]
    }

    #[test]
    fn text_is_what_prometheus_reads() {
        let mut text = String::new();
        let mut families = families();
        families.push(MetricFamily::of(
            "reads",
            "help \\ with\nlines",
            MetricType::Counter,
            vec![Metric {
                label: vec![LabelPair::new("key", "a\"b")],
                counter: Some(Counter { value: Some(7.0) }),
                ..Metric::default()
            }],
        ));
        write_text(&families, &mut text);
        assert_eq!(
            text,
            "# HELP request_count requests\n# TYPE request_count counter\nrequest_count 3.0\n\
             # HELP uptime uptime\n# TYPE uptime gauge\nuptime 1.5\n\
             # HELP readlatency readlatency\n# TYPE readlatency summary\n\
             readlatency{quantile=\"0.5\",} 2.0\nreadlatency{quantile=\"0.99\",} 3.0\n\
             readlatency_count 2.0\nreadlatency_sum 5.0\n\
             # HELP reads help \\\\ with\\nlines\n# TYPE reads counter\nreads{key=\"a\\\"b\",} 7.0\n"
        );
    }

    #[test]
    fn protobuf_comes_back() {
        let mut out = BytesMut::new();
        write_delimited(&families(), &mut out);
        let mut bytes = out.freeze();
        let mut read = Vec::new();
        while !bytes.is_empty() {
            read.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
        }
        assert_eq!(read, families());
    }

    #[test]
    fn the_accept_header_decides() {
        let prometheus_with_protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4";
        assert_eq!(
            negotiate(Some(prometheus_with_protobuf), &[]).0,
            PROTOBUF_TYPE
        );
        for accept in [
            None,
            Some(""),
            Some("*/*"),
            Some("text/plain"),
            Some("application/vnd.google.protobuf"),
            Some(
                "text/plain;q=0.9,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.1",
            ),
        ] {
            assert_eq!(negotiate(accept, &[]).0, TEXT_TYPE, "{accept:?}");
        }
    }
}
