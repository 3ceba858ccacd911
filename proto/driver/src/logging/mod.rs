//! Log lines in the shape of the originals (ZooKeeper: `2026-11-21 13:08:14,681 [myid:] - INFO
//! [thread:module] - text`, Kafka: `[2026-11-21 13:08:14,681] INFO text (logger)`), levels from `logging.yaml`, files rotated by the process itself. Never blocks on anything but the
//! files it writes.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "writes log files, says on stderr when it cannot"
)]

mod config;
mod rotate;
mod tool;

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

pub use config::{ConfigError, Console, LogConfig};
use rotate::RotatingFile;
pub use tool::init_for_tool;

use crate::local_time::LocalTime;

/// Lines with this target go to the console too when it is to show only what matters at start.
pub const STARTUP: &str = "startup";

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot open the log file {path}: {source}")]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("logging was set up before")]
    Twice,
}

/// The shape of a line.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// as ZooKeeper's logback.xml: `myid` stands in each line
    ZooKeeper { myid: String },
    /// as Kafka's log4j.properties: the function gives the logger's name for a target
    Kafka { logger: fn(&str) -> &str },
}

/// Sets up logging for the whole process. `file` is where lines go beside the console.
pub fn init(config: &LogConfig, file: Option<&Path>, pattern: Pattern) -> Result<(), LogError> {
    let file = match file {
        Some(path) => Some(
            RotatingFile::open(path, config.max_bytes, config.max_files).map_err(|source| {
                LogError::Open {
                    path: path.to_owned(),
                    source,
                }
            })?,
        ),
        None => None,
    };
    let lines = Lines {
        levels: config.clone(),
        console: match config.console {
            Console::Auto if file.is_some() => Console::Startup,
            Console::Auto => Console::All,
            console => console,
        },
        pattern,
        file: Mutex::new(file),
    };
    let subscriber = tracing_subscriber::registry().with(lines);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

struct Lines {
    levels: LogConfig,
    console: Console,
    pattern: Pattern,
    file: Mutex<Option<RotatingFile>>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.levels.level_of(metadata.target())
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.levels.most_verbose().into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = String::with_capacity(160);
        if write_line(&mut line, &self.pattern, metadata, event).is_err() {
            return;
        }
        let on_console = match self.console {
            Console::All | Console::Auto => true,
            Console::Startup => *metadata.level() <= Level::WARN || metadata.target() == STARTUP,
            Console::Off => false,
        };
        if on_console {
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = file.as_mut() {
            if let Err(error) = file.write(line.as_bytes()) {
                eprintln!(
                    "cannot write the log file {}: {error}",
                    file.path().display()
                );
            }
        }
    }
}

fn write_line(
    line: &mut String,
    pattern: &Pattern,
    metadata: &Metadata<'_>,
    event: &Event<'_>,
) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let (time, level) = (LocalTime::at(millis), metadata.level().as_str());
    match pattern {
        Pattern::ZooKeeper { myid } => {
            let thread = std::thread::current();
            let place = metadata.target().rsplit("::").next().unwrap_or_default();
            write!(
                line,
                "{time} [myid:{myid}] - {level:<5} [{}:{place}] - ",
                thread.name().unwrap_or("-"),
            )?;
            event.record(&mut Fields(line));
        }
        Pattern::Kafka { logger } => {
            write!(line, "[{time}] {level} ")?;
            event.record(&mut Fields(line));
            write!(line, " ({})", logger(metadata.target()))?;
        }
    }
    line.push('\n');
    Ok(())
}

/// The message, then `name=value` for each further field.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_those_of_java() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zookeeper.log");
        let lines = Lines {
            levels: LogConfig::default(),
            console: Console::Off,
            pattern: Pattern::ZooKeeper {
                myid: "3".to_owned(),
            },
            file: Mutex::new(Some(RotatingFile::open(&path, 1 << 20, 2).unwrap())),
        };
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 2181, "binding to port {}", "0.0.0.0:2181");
            tracing::debug!("not shown");
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_at(23);
        assert_eq!(time.len(), "2026-11-21 13:08:14,681".len());
        assert!(rest.starts_with(" [myid:3] - INFO  ["), "{text}");
        assert!(
            rest.ends_with(":tests] - binding to port 0.0.0.0:2181 port=2181\n"),
            "{text}"
        );
    }

    #[test]
    fn lines_of_a_broker_look_like_those_of_kafka() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.log");
        let lines = Lines {
            levels: LogConfig::default(),
            console: Console::Off,
            pattern: Pattern::Kafka {
                logger: |target| target.rsplit("::").next().unwrap_or(target),
            },
            file: Mutex::new(Some(RotatingFile::open(&path, 1 << 20, 2).unwrap())),
        };
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("[KafkaServer id={}] started", 0);
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let (time, rest) = text.split_at("[2026-11-21 13:08:14,681]".len());
        assert!(time.starts_with('[') && time.ends_with(']'), "{text}");
        assert_eq!(rest, " WARN [KafkaServer id=0] started (tests)\n");
    }
}
