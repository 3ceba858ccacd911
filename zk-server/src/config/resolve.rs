//! Lays zoo.cfg over the system properties as Java does, and reads typed values out of the result.
//! A line `KEY=value` that zoo.cfg does not know becomes the property `zookeeper.KEY`.

use proto::properties::{Place, Properties, decode_long};

use super::error::ConfigError;
use super::flags::JvmFlags;
use super::key::{Key, Kind, Status, Where};
use super::keys;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub place: Place,
}

/// Everything that was set, and what is to be said about it.
#[derive(Debug, Default)]
pub struct Resolved {
    cfg: Properties,
    flags: JvmFlags,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Resolved {
    /// Checks every key against the table; a refused one is an error.
    pub fn new(cfg: Properties, flags: JvmFlags) -> Result<Self, ConfigError> {
        let mut resolved = Self {
            cfg,
            flags,
            ..Self::default()
        };
        resolved.check_file()?;
        resolved.check_flags()?;
        Ok(resolved)
    }

    /// Lines about keys that are accepted without effect.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Lines about values that an operator should change.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    pub fn file(&self) -> &Properties {
        &self.cfg
    }

    pub fn flags(&self) -> &JvmFlags {
        &self.flags
    }

    /// The value of a key of the table, if it was set.
    pub fn value(&self, name: &str) -> Option<Value> {
        let key = keys::find(name)?;
        let in_file = || self.in_file(name);
        match key.place {
            Where::Cfg => in_file(),
            Where::CfgOrProperty => {
                in_file().or_else(|| self.in_flags(&format!("zookeeper.{name}")))
            }
            Where::Property => in_file()
                .or_else(|| self.in_flags(&format!("zookeeper.{name}")))
                .or_else(|| {
                    // Java reads this one without prefix as well (FileTxnLog).
                    let old = name == "fsync.warningthresholdms";
                    old.then(|| self.in_flags(name)).flatten()
                }),
            Where::Bare => self.in_flags(name).or_else(in_file),
        }
    }

    fn in_file(&self, name: &str) -> Option<Value> {
        let property = self.cfg.get(name)?;
        Some(Value {
            text: property.value.trim().to_owned(),
            place: Place {
                source: self.cfg.source().clone(),
                line: property.line,
            },
        })
    }

    fn in_flags(&self, property: &str) -> Option<Value> {
        let (text, source) = self.flags.get(property)?;
        Some(Value {
            text: text.to_owned(),
            place: Place {
                source: format!("-D{property} of {source}").into(),
                line: 0,
            },
        })
    }

    /// Every system property as Java would see it: options first, then what zoo.cfg sets.
    pub fn system_properties(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut set = |name: String, value: &str| {
            all.retain(|(known, _)| *known != name);
            all.push((name, value.to_owned()));
        };
        for (name, value, _) in self.flags.properties() {
            set(name.to_owned(), value);
        }
        for property in self.cfg.iter() {
            let key = keys::find(property.key.trim());
            // Java knows the lines of servers only behind this.
            let of_servers = ["server.", "group.", "weight."];
            let of_servers = of_servers
                .iter()
                .any(|s| property.key.trim().starts_with(s));
            if of_servers || key.is_none_or(|key| !key.place.in_cfg()) {
                let name = format!("zookeeper.{}", property.key.trim());
                set(name, property.value.trim());
            }
        }
        all.sort();
        all
    }

    fn check_file(&mut self) -> Result<(), ConfigError> {
        for repeated in self.cfg.repeated() {
            self.warnings.push(format!(
                "{}, line {}: {} is set again in line {}, which counts: take one of them out.",
                self.cfg.source(),
                repeated.ignored,
                repeated.key,
                repeated.used
            ));
        }
        let names: Vec<String> = self
            .cfg
            .iter()
            .map(|p| p.key.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        for name in names {
            let Some(key) = keys::find(&name) else {
                self.unknown(&name);
                continue;
            };
            if let Some(value) = self.in_file(&name) {
                self.check(key, &name, &value)?;
            }
        }
        Ok(())
    }

    fn check_flags(&mut self) -> Result<(), ConfigError> {
        let set: Vec<String> = self
            .flags
            .properties()
            .map(|(name, ..)| name.to_owned())
            .collect();
        for property in set {
            let name = property.strip_prefix("zookeeper.").unwrap_or(&property);
            let Some(key) = keys::find(name) else {
                continue;
            };
            let read = match key.place {
                Where::Cfg => false,
                Where::CfgOrProperty | Where::Property => property != name,
                Where::Bare => property == name,
            };
            if !read || key.place != Where::Bare && self.cfg.get(name).is_some() {
                continue;
            }
            if let Some(value) = self.in_flags(&property) {
                self.check(key, name, &value)?;
            }
        }
        let ignored = self.flags.ignored();
        if !ignored.is_empty() {
            self.notes.push(format!(
                "Options for a JVM have no meaning here and are ignored: {}",
                ignored.join(" ")
            ));
        }
        Ok(())
    }

    fn check(&mut self, key: &Key, name: &str, value: &Value) -> Result<(), ConfigError> {
        match key.status {
            Status::Effective => {}
            Status::Noted(why) => self.notes.push(format!(
                "{}: {name} is accepted and has no effect: {why}.",
                value.place
            )),
            Status::Refused { unless, why } => {
                let harmless = unless
                    .iter()
                    .any(|off| value.text.eq_ignore_ascii_case(off));
                if !harmless {
                    return Err(ConfigError::invalid(format!(
                        "{}: {name}={}: {why}.",
                        value.place, value.text
                    )));
                }
            }
        }
        if key.place.in_cfg() && !key.name.ends_with('*') {
            self.strict(key, name, value)?;
        }
        Ok(())
    }

    /// Keys of zoo.cfg itself must read as what they are, as in Java.
    fn strict(&self, key: &Key, name: &str, value: &Value) -> Result<(), ConfigError> {
        let text = &value.text;
        let problem = match key.kind {
            Kind::Int if text.parse::<i32>().is_err() => "write a whole number",
            Kind::Long if text.parse::<i64>().is_err() => "write a whole number",
            Kind::Float if text.parse::<f64>().is_err() => "write a number",
            Kind::Bool if strict_bool(text).is_none() => {
                return Err(ConfigError::invalid(format!(
                    "{}: Invalid option {text} for {name}. Choose 'true' or 'false.'",
                    value.place
                )));
            }
            _ => return Ok(()),
        };
        Err(ConfigError::invalid(format!(
            "{}: {name}={text}: {problem}.",
            value.place
        )))
    }

    fn unknown(&mut self, name: &str) {
        let place = self
            .cfg
            .place(name)
            .map_or_else(|| self.cfg.source().to_string(), |place| place.to_string());
        let bare = name.strip_prefix("zookeeper.").unwrap_or(name);
        let meant = keys::all().find(|key| key.name.eq_ignore_ascii_case(bare));
        match meant {
            Some(key) => self.warnings.push(format!(
                "{place}: {name} is not a key of zoo.cfg and has no effect: write {}.",
                key.name
            )),
            None if is_number_after(name, "server") => self.warnings.push(format!(
                "{place}: {name} names no server of an ensemble: write {}, with a dot.",
                name.replacen("server", "server.", 1)
            )),
            None => match nearest_key(bare) {
                Some(key) => self.warnings.push(format!(
                    "{place}: {name} is not a key of ZooKeeper and has no effect: did you mean {key}?"
                )),
                None => self.notes.push(format!(
                    "{place}: {name} is not a key of ZooKeeper; it is kept as the property \
                     zookeeper.{name}."
                )),
            },
        }
    }
}

/// Typed readings. A number in a property that cannot be read falls back to the default, as
/// `Integer.getInteger` does, with a warning.
impl Resolved {
    pub fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(value) => value.text,
            None => default(name).to_owned(),
        }
    }

    pub fn long(&mut self, name: &str) -> i64 {
        let fallback = default(name).parse().unwrap_or_default();
        let Some(value) = self.value(name) else {
            return fallback;
        };
        let read = if keys::find(name).is_some_and(|key| key.place.in_cfg()) {
            value.text.parse().ok()
        } else {
            decode_long(&value.text)
        };
        read.unwrap_or_else(|| {
            self.warnings.push(format!(
                "{}: {name}={} is not a number; the default {fallback} counts.",
                value.place, value.text
            ));
            fallback
        })
    }

    pub fn int(&mut self, name: &str) -> i32 {
        let wide = self.long(name);
        i32::try_from(wide).unwrap_or_else(|_| {
            let fallback = default(name).parse().unwrap_or_default();
            self.warnings.push(format!(
                "{name}={wide} is out of range; the default {fallback} counts."
            ));
            fallback
        })
    }

    /// A property that cannot be read stops Java's server; here its default counts.
    pub fn float(&mut self, name: &str) -> f64 {
        let fallback = default(name).parse().unwrap_or_default();
        let Some(value) = self.value(name) else {
            return fallback;
        };
        value.text.parse().unwrap_or_else(|_| {
            self.warnings.push(format!(
                "{}: {name}={} is not a number; the default {fallback} counts.",
                value.place, value.text
            ));
            fallback
        })
    }

    /// The values of all properties that begin with `prefix`.
    pub fn family(&self, prefix: &str) -> Vec<String> {
        let all = self.system_properties().into_iter();
        all.filter_map(|(name, value)| {
            let name = name.strip_prefix("zookeeper.")?;
            name.starts_with(prefix).then_some(value)
        })
        .collect()
    }

    /// `Boolean.getBoolean`: anything but "true" is false.
    pub fn bool(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }
}

fn default(name: &str) -> &'static str {
    keys::find(name).map_or("", |key| key.default)
}

fn strict_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The key that is the name but for two letters, or but for one where the name is short.
fn nearest_key(name: &str) -> Option<&'static str> {
    let most = if name.len() < 8 { 1 } else { 2 };
    // nobody's key is as long, and a name of any length may stand here
    if name.len() > 100 {
        return None;
    }
    keys::all()
        .filter(|key| !key.name.ends_with('*') && key.name.len().abs_diff(name.len()) <= most)
        .map(|key| (distance(name, key.name), key.name))
        .filter(|(letters, _)| *letters <= most)
        .min()
        .map(|(_, key)| key)
}

/// Letters to insert, to take out or to change (Levenshtein), whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// `server1` for `server`
fn is_number_after(name: &str, word: &str) -> bool {
    name.strip_prefix(word)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}
