//! What the tools' command lines have in common: parsing with Java's exit code, property files,
//! topic patterns.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the property files that the user names"
)]

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;
use regex_lite::Regex;

use super::Failure;

/// Parses the arguments. Help goes to standard output with code 0; a mistake to standard error
/// with code 1, as Java's tools do.
pub fn parse<T: Parser>(name: &str, args: Vec<String>) -> Result<T, i32> {
    let words = std::iter::once(OsString::from(name)).chain(args.into_iter().map(OsString::from));
    T::try_parse_from(words).map_err(|error| {
        let help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        );
        // Nobody listens any more when this fails.
        let _ = error.print();
        i32::from(!help)
    })
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
