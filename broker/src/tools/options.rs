//! What the tools' command lines have in common: parsing with Java's words and exit codes, the
//! options that say where the cluster is, topic patterns. Mirrors CommandLineUtils.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the property files that the user names"
)]

use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser};
use driver::kafka_client::Options as ClientOptions;
use driver::kafka_client::cluster::parse_addresses;
use proto::kafka::Str;
use regex_lite::Regex;

use super::Failure;
use super::settings::Settings;

/// The release whose tools these are, for `--version`.
pub const VERSION: &str = "3.9.2";

/// How a tool speaks of its arguments.
pub struct Tool {
    pub name: &'static str,
    /// said before the options where nothing was given; `None`: what is missing is told
    pub alone: Option<&'static str>,
    /// tells of a value that cannot be read; the exit code
    pub bad_value: fn(&str) -> i32,
}

/// Tells of a value as of any other mistake.
pub fn on_standard_error(message: &str) -> i32 {
    eprintln!("{message}");
    1
}

/// Parses the arguments. Mistakes are told in the words of Java's tools, with their exit code; as
/// theirs, help goes to standard error with code 1.
pub fn parse<T: Parser>(tool: &Tool, args: Vec<String>) -> Result<T, i32> {
    if let Some(about) = tool.alone.filter(|_| args.is_empty()) {
        let help = T::command().about(about).render_help();
        return Err(on_standard_error(&help.to_string()));
    }
    let words = std::iter::once(tool.name.to_owned()).chain(args);
    T::try_parse_from(words.map(OsString::from)).map_err(|error| match error.kind() {
        ErrorKind::DisplayVersion => {
            println!("{VERSION}");
            0
        }
        ErrorKind::DisplayHelp => on_standard_error(&error.to_string()),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value_of(&error).is_some() => {
            (tool.bad_value)(&mistake(&error))
        }
        _ => on_standard_error(&mistake(&error)),
    })
}

/// The value that was refused; `None` where there was none.
fn value_of(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !value.is_empty() => Some(value),
        _ => None,
    }
}

/// A mistake in the words of joptsimple, which Java's tools use.
fn mistake(error: &clap::Error) -> String {
    let whole = || {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    };
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return whole();
    };
    let bare = flag.trim_start_matches('-');
    let flag = bare.split([' ', '=']).next().unwrap_or_default();
    match (error.kind(), value_of(error)) {
        // as word processors and web pages print two hyphens
        (ErrorKind::UnknownArgument, _) if flag.starts_with(['\u{2014}', '\u{2013}']) => {
            let name = flag.trim_start_matches(['\u{2014}', '\u{2013}']);
            format!("{flag} begins with a long dash instead of two hyphens: write --{name}")
        }
        (ErrorKind::UnknownArgument, _) => format!("{flag} is not a recognized option"),
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(value)) => {
            format!("Cannot parse argument '{value}' of option {flag}")
        }
        (ErrorKind::InvalidValue, None) => format!("Option {flag} requires an argument"),
        (ErrorKind::ArgumentConflict, _) => {
            format!("Found multiple arguments for option {flag}, but you asked for only one")
        }
        _ => whole(),
    }
}

/// Where a tool finds its cluster.
#[derive(Debug, Args)]
pub struct Servers {
    /// Brokers to connect to, host:port, separated by commas
    #[arg(long, value_name = "server to connect to")]
    pub bootstrap_server: Option<String>,
}

/// The same for tools that administer it.
#[derive(Debug, Args)]
pub struct AdminServers {
    #[command(flatten)]
    pub servers: Servers,
    /// Property file for the connection
    #[arg(long, value_name = "command config property file")]
    pub command_config: Option<String>,
}

/// What an admin client goes by.
pub struct AdminClient {
    pub addresses: Vec<(String, u16)>,
    pub options: ClientOptions,
    /// how long it looks for a broker that answers
    pub patience: Duration,
}

impl AdminServers {
    /// `timeout`: of a flag, or the tool's default; the file's own count more.
    pub fn client(&self, timeout: Duration) -> Result<AdminClient, Failure> {
        let mut set = Settings::load(self.command_config.as_deref(), "command-config", &[])?;
        set.get("bootstrap.servers");
        let patience = set.millis("default.api.timeout.ms", None)?;
        let request = set.millis("request.timeout.ms", None)?;
        let options = ClientOptions {
            client_id: Str::from(set.get("client.id").unwrap_or("adminclient-1")),
            connect_timeout: timeout.min(ClientOptions::default().connect_timeout),
            request_timeout: request.unwrap_or(timeout),
            ..ClientOptions::default()
        };
        set.finish()?;
        let servers = self.servers.bootstrap_server.as_deref();
        Ok(AdminClient {
            addresses: parse_addresses(servers.unwrap_or_default())?,
            options,
            patience: patience.unwrap_or(timeout),
        })
    }
}

/// Topics named by `--topic`: a regular expression that has to match the whole name, where a comma
/// stands for "or" (Java: `IncludeList`).
#[derive(Debug)]
pub struct TopicFilter(Regex);

impl TopicFilter {
    pub fn new(pattern: &str) -> Result<Self, Failure> {
        let cleaned = pattern.trim().replace(',', "|").replace(' ', "");
        let cleaned = cleaned.trim_matches(|c| c == '"' || c == '\'');
        Regex::new(&format!("^(?:{cleaned})$"))
            .map(Self)
            .map_err(|_| Failure::new(format!("{pattern} is an invalid regex.")))
    }

    pub fn allows(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

/// Whether the topic belongs to Kafka itself.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(infer_long_args = true, version = VERSION)]
    struct Sample {
        #[command(flatten)]
        admin: AdminServers,
        #[arg(long, value_name = "# of partitions", allow_negative_numbers = true)]
        partitions: Option<i32>,
        #[arg(long)]
        list: bool,
    }

    #[test]
    fn mistakes_are_told_as_java_tells_them() {
        let said = |args: &[&str]| {
            let words = std::iter::once("tool").chain(args.iter().copied());
            mistake(&Sample::try_parse_from(words).unwrap_err())
        };
        assert_eq!(said(&["--bogus"]), "bogus is not a recognized option");
        assert_eq!(
            said(&["\u{2014}list"]),
            "\u{2014}list begins with a long dash instead of two hyphens: write --list"
        );
        assert_eq!(
            said(&["--list", "--bogus=1"]),
            "bogus is not a recognized option"
        );
        assert_eq!(
            said(&["--partitions"]),
            "Option partitions requires an argument"
        );
        assert_eq!(
            said(&["--partitions", "x"]),
            "Cannot parse argument 'x' of option partitions"
        );
        assert_eq!(
            said(&["--partitions", "1", "--partitions=2"]),
            "Found multiple arguments for option partitions, but you asked for only one"
        );
        let good = Sample::try_parse_from(["tool", "--boot", "a:1", "--part", "3"]).unwrap();
        assert_eq!(good.partitions, Some(3));
        let client = good.admin.client(Duration::from_secs(5)).unwrap();
        assert_eq!(client.addresses, [("a".to_owned(), 1)]);
        assert_eq!(client.patience, Duration::from_secs(5));
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let filter = TopicFilter::new("a.*,b").unwrap();
        assert!(filter.allows("abc") && filter.allows("b"));
        assert!(!filter.allows("bb") && !filter.allows("xa"));
        assert_eq!(
            TopicFilter::new("(").unwrap_err().0,
            "( is an invalid regex."
        );
    }
}
