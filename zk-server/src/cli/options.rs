//! The options of a command line as Apache Commons CLI 1.5 reads them (Java: `DefaultParser` on
//! short options), with its messages, and its table of options in usages (`HelpFormatter`).

use std::fmt::Write;

/// One option: `-name`, with a value when `takes_value`.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) name: &'static str,
    pub(super) takes_value: bool,
    pub(super) help: &'static str,
}

pub(super) const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        takes_value: false,
        help,
    }
}

pub(super) const fn value(name: &'static str, help: &'static str) -> Opt {
    Opt {
        name,
        takes_value: true,
        help,
    }
}

/// How the options of a command go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// any of them
    Free,
    /// at most one
    AtMostOne,
    /// exactly one
    ExactlyOne,
}

/// What was found: options with their values, and the rest, the command's name first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    options: Vec<(&'static str, Option<String>)>,
    pub(super) args: Vec<String>,
}

impl Parsed {
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| *n == name)
    }

    /// The first value given for an option.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.options.iter().filter(|(n, _)| *n == name);
        values.find_map(|(_, value)| value.as_deref())
    }
}

struct Parser<'a> {
    known: &'a [Opt],
    group: Group,
    parsed: Parsed,
    /// an option that waits for its value
    open: Option<&'static str>,
    only_args: bool,
}

/// Parses `words`; the error is the text that Java prints.
pub(super) fn parse(
    known: &'static [Opt],
    group: Group,
    words: &[String],
) -> Result<Parsed, String> {
    let mut parser = Parser {
        known,
        group,
        parsed: Parsed::default(),
        open: None,
        only_args: false,
    };
    for word in words {
        parser.word(word)?;
    }
    parser.check_open()?;
    if group == Group::ExactlyOne && parser.parsed.options.is_empty() {
        let one = |o: &Opt| format!("-{} {}", o.name, o.help);
        let all: Vec<_> = known.iter().map(one).collect();
        return Err(exception(
            "MissingOption",
            &format!("Missing required option: [{}]", all.join(", ")),
        ));
    }
    Ok(parser.parsed)
}

fn exception(class: &str, message: &str) -> String {
    format!("org.apache.commons.cli.{class}Exception: {message}")
}

fn unrecognized(word: &str) -> String {
    exception(
        "UnrecognizedOption",
        &format!("Unrecognized option: {word}"),
    )
}

/// Without the double quotes around it, if there are none inside.
fn unquoted(value: &str) -> &str {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(inner) if !inner.contains('"') => inner,
        _ => value,
    }
}

impl Parser<'_> {
    fn find(&self, name: &str) -> Option<(&'static str, bool)> {
        let found = self.known.iter().find(|o| o.name == name);
        found.map(|o| (o.name, o.takes_value))
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if self.only_args {
            self.parsed.args.push(word.to_owned());
        } else if word == "--" {
            self.only_args = true;
        } else if self.open.is_some() && !self.looks_like_option(word) {
            self.give(unquoted(word));
        } else if word.starts_with("--") {
            return Err(unrecognized(word));
        } else if word.starts_with('-') && word != "-" {
            self.option_word(word)?;
        } else {
            self.parsed.args.push(word.to_owned());
        }
        Ok(())
    }

    /// `-s`, `-sv`, `-s=x`: whether it begins with a known option.
    fn looks_like_option(&self, word: &str) -> bool {
        let Some(rest) = word.strip_prefix('-') else {
            return false;
        };
        let name = rest.split('=').next().unwrap_or(rest);
        let first = name.chars().next().map(String::from);
        self.find(name).is_some() || first.is_some_and(|first| self.find(&first).is_some())
    }

    fn option_word(&mut self, word: &str) -> Result<(), String> {
        let text = &word[1..];
        if let Some((name, value)) = text.split_once('=').filter(|_| text.len() > 1) {
            return match self.find(name) {
                Some((name, true)) if name.len() == 1 => {
                    self.option(name, true)?;
                    self.give(value);
                    Ok(())
                }
                _ => Err(unrecognized(word)),
            };
        }
        match self.find(text) {
            Some((name, takes_value)) => self.option(name, takes_value),
            None if text.chars().count() == 1 => Err(unrecognized(word)),
            None => self.joined_options(word),
        }
    }

    /// `-sw`, `-t5`: one letter an option, what follows one with a value is its value.
    fn joined_options(&mut self, word: &str) -> Result<(), String> {
        for (at, letter) in word.char_indices().skip(1) {
            let Some((name, takes_value)) = self.find(letter.encode_utf8(&mut [0; 4])) else {
                return Err(unrecognized(word));
            };
            self.option(name, takes_value)?;
            let rest = &word[at + letter.len_utf8()..];
            if takes_value && !rest.is_empty() {
                self.give(rest);
                break;
            }
        }
        Ok(())
    }

    fn option(&mut self, name: &'static str, takes_value: bool) -> Result<(), String> {
        self.check_open()?;
        if self.group != Group::Free {
            let other = self.parsed.options.iter().find(|(n, _)| *n != name);
            if let Some((other, _)) = other {
                let message = format!(
                    "The option '{name}' was specified but an option from this group has already been selected: '{other}'"
                );
                return Err(exception("AlreadySelected", &message));
            }
        }
        self.parsed.options.push((name, None));
        self.open = takes_value.then_some(name);
        Ok(())
    }

    fn give(&mut self, value: &str) {
        if let Some((_, slot)) = self.parsed.options.last_mut() {
            *slot = Some(value.to_owned());
        }
        self.open = None;
    }

    fn check_open(&self) -> Result<(), String> {
        match self.open {
            None => Ok(()),
            Some(name) => Err(exception(
                "MissingArgument",
                &format!("Missing argument for option: {name}"),
            )),
        }
    }
}

/// The table of options of a usage text; each line ends with a newline.
pub(super) fn help(known: &[Opt]) -> String {
    let mut sorted: Vec<_> = known.iter().collect();
    sorted.sort_by_key(|o| o.name.to_lowercase());
    let label = |o: &Opt| format!("-{}{}", o.name, if o.takes_value { " <arg>" } else { "" });
    let width = sorted.iter().map(|o| label(o).len()).max().unwrap_or(0);
    let mut text = String::new();
    for option in sorted {
        // Writing to a string does not fail.
        let _ = writeln!(text, " {:width$}   {}", label(option), option.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    static OPTIONS: [Opt; 3] = [
        flag("s", "stats"),
        value("v", "version"),
        value("file", "path"),
    ];

    fn run(line: &str) -> Result<Parsed, String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        parse(&OPTIONS, Group::Free, &words)
    }

    #[test]
    fn values_stand_apart_or_joined() {
        for line in [
            "c -s -v 5 /a",
            "c -v5 -s /a",
            "c /a -sv5",
            "c -v=5 /a -s",
            "c -sv 5 /a",
        ] {
            let parsed = run(line).unwrap();
            assert!(parsed.has("s"), "{line}");
            assert_eq!(parsed.value("v"), Some("5"), "{line}");
            assert_eq!(parsed.args, ["c", "/a"], "{line}");
        }
        assert_eq!(run("c -v -1").unwrap().value("v"), Some("-1"));
        assert_eq!(run("c -file x -- -s").unwrap().args, ["c", "-s"]);
        assert_eq!(run("c -").unwrap().args, ["c", "-"]);
    }

    #[test]
    fn messages_are_those_of_commons_cli() {
        let class = |name: &str| format!("org.apache.commons.cli.{name}Exception");
        for (line, name, message) in [
            ("c -z", "UnrecognizedOption", "Unrecognized option: -z"),
            ("c --s", "UnrecognizedOption", "Unrecognized option: --s"),
            ("c -sz", "UnrecognizedOption", "Unrecognized option: -sz"),
            (
                "c -file=x",
                "UnrecognizedOption",
                "Unrecognized option: -file=x",
            ),
            ("c -s=x", "UnrecognizedOption", "Unrecognized option: -s=x"),
            ("c -1", "UnrecognizedOption", "Unrecognized option: -1"),
            ("c -v", "MissingArgument", "Missing argument for option: v"),
            (
                "c -v -s",
                "MissingArgument",
                "Missing argument for option: v",
            ),
        ] {
            assert_eq!(
                run(line),
                Err(format!("{}: {message}", class(name))),
                "{line}"
            );
        }
    }
}
