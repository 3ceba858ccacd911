//! Log lines of command line tools: warnings and errors on standard error, in the shape of Kafka's
//! `tools-log4j.properties`: `[2026-11-21 13:08:14,681] WARN text (module)`.
#![allow(
    clippy::disallowed_methods,
    reason = "a log line names the time at which it was written"
)]

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::{Fields, LogError};
use crate::local_time::LocalTime;

struct Warnings;

impl<S: Subscriber> Layer<S> for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = now.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let metadata = event.metadata();
        let mut line = format!("[{}] {} ", LocalTime::at(millis), metadata.level());
        event.record(&mut Fields(&mut line));
        line.push_str(&format!(
            " ({})\n",
            metadata.target().replace("::", ".").replace('_', "-")
        ));
        // Nobody is left to tell when standard error is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// Sets up logging for a command line tool.
pub fn init_for_tool() -> Result<(), LogError> {
    let subscriber = tracing_subscriber::registry().with(Warnings);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}
