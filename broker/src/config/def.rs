//! What a configuration key is: its type, default, validator and standing, and how its text is
//! read. Never reads a file. Mirrors org.apache.kafka.common.config.ConfigDef.

use std::fmt;

/// The type of a value (ConfigDef.Type).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Str,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Kind {
    /// Its number in DescribeConfigs responses (DescribeConfigsResponse.ConfigType).
    pub fn wire(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Str => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }
}

/// How much a key matters (ConfigDef.Importance).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Who may change a key while the broker runs (DynamicBrokerConfig).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    ReadOnly,
    PerBroker,
    ClusterWide,
    Topic,
}

/// Which Kafka versions know the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    Both,
    /// removed after 2.7
    Until27,
    /// added after 2.7
    Since28,
    /// no version: a key of this broker alone
    Ours,
}

/// What the key does in this broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Effective,
    Tuning,
    JavaClass,
    KRaft,
    TieredStorage,
    Security,
    ZkTls,
    Quotas,
    Replication,
    Cleaner,
    NewGroups,
    Transactions,
    FormatFixed,
}

impl Standing {
    /// Why a key that is set has no effect; `None` where it has one.
    pub fn note(self) -> Option<&'static str> {
        Some(match self {
            Self::Effective => return None,
            Self::Tuning => "tunes Java threads or queues that this broker does not have",
            Self::JavaClass => "names or tunes Java classes, which this broker cannot load",
            Self::KRaft => "belongs to KRaft mode; this broker keeps its metadata in ZooKeeper",
            Self::TieredStorage => "belongs to tiered storage, which this broker does not have",
            Self::Security => "belongs to TLS, SASL or ACLs, which this version does not serve",
            Self::ZkTls => "belongs to TLS towards ZooKeeper, which this version does not speak",
            Self::Quotas => "belongs to quotas, which this version does not enforce",
            Self::Replication => "belongs to replication, which this version does not do",
            Self::Cleaner => "belongs to compaction, which this version does not do",
            Self::NewGroups => {
                "belongs to the group protocols of KIP-848 and KIP-932, which need KRaft"
            }
            Self::Transactions => "belongs to transactions, which this version does not serve",
            Self::FormatFixed => {
                "records are stored in format version 2, as Kafka does from 3.0 on"
            }
        })
    }
}

/// What values a key takes (ConfigDef.Validator).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    BetweenOrMinusOne(i64, i64),
    AtLeastOneOrMinusOne,
    Ratio(f64, f64),
    OneOf(&'static [&'static str]),
    OneOfIgnoreCase(&'static [&'static str]),
    NonEmpty,
    Version,
    ThrottledReplicas,
}

/// The variants above by their short names, for the tables in `keys/`.
pub(crate) mod words {
    pub(crate) use super::Age::*;
    pub(crate) use super::Importance::*;
    pub(crate) use super::Kind::*;
    pub(crate) use super::Standing::*;
    pub(crate) use super::Update::*;
    pub(crate) use super::Valid::*;
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// as text; `None` is Java's null
    pub default: Option<&'static str>,
    pub valid: Valid,
    pub importance: Importance,
    pub update: Update,
    pub age: Age,
    pub standing: Standing,
    pub doc: &'static str,
    /// hidden from documentation and DescribeConfigs (ConfigDef.defineInternal)
    pub internal: bool,
}

#[allow(
    clippy::too_many_arguments,
    reason = "a row of a table, written nowhere else"
)]
pub(crate) const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    valid: Valid,
    importance: Importance,
    update: Update,
    age: Age,
    standing: Standing,
    doc: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        valid,
        importance,
        update,
        age,
        standing,
        doc,
        internal: false,
    }
}

/// A value that has been read and found valid.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Number(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
}

impl fmt::Display for Value {
    /// As Java prints the parsed value (ConfigDef.convertToString).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Double(value) => f.write_str(&java_double(*value)),
            Self::Text(value) => f.write_str(value),
            Self::List(values) => f.write_str(&values.join(",")),
        }
    }
}

/// `Double.toString` for the doubles that occur in configurations.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

impl Key {
    pub(crate) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Reads a value, or says in a few words what is wrong with it (as ConfigDef.parseType and
    /// the validators do).
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = self.read(text)?;
        self.validate(&value)?;
        Ok(value)
    }

    /// Java's sentence about a value that is wrong: it shows the text where that cannot be read, else
    /// what was read.
    pub fn refusal(&self, text: &str) -> Option<String> {
        let problem = self.parse(text).err()?;
        let shown = match self.read(text) {
            Ok(Value::List(items)) => items
                .into_iter()
                .find(|item| self.validate(&Value::List(vec![item.clone()])).is_err())
                .unwrap_or_default(),
            Ok(value) => value.to_string(),
            Err(_) => text.to_owned(),
        };
        let name = self.name;
        Some(format!(
            "Invalid value {shown} for configuration {name}: {problem}"
        ))
    }

    fn read(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let number = |min: i64, max: i64, name: &str| {
            text.parse::<i64>()
                .ok()
                .filter(|n| (min..=max).contains(n))
                .map(Value::Number)
                .ok_or_else(|| format!("Not a number of type {name}"))
        };
        let value = match self.kind {
            Kind::Bool if text.eq_ignore_ascii_case("true") => Value::Bool(true),
            Kind::Bool if text.eq_ignore_ascii_case("false") => Value::Bool(false),
            Kind::Bool => return Err("Expected value to be either true or false".into()),
            Kind::Int => number(i32::MIN.into(), i32::MAX.into(), "INT")?,
            Kind::Short => number(i16::MIN.into(), i16::MAX.into(), "SHORT")?,
            Kind::Long => number(i64::MIN, i64::MAX, "LONG")?,
            Kind::Double => match text.parse() {
                Ok(value) => Value::Double(value),
                Err(_) => return Err("Not a number of type DOUBLE".into()),
            },
            Kind::Str | Kind::Class | Kind::Password => Value::Text(text.to_owned()),
            Kind::List if text.is_empty() => Value::List(Vec::new()),
            Kind::List => Value::List(text.split(',').map(|part| part.trim().to_owned()).collect()),
        };
        Ok(value)
    }

    fn validate(&self, value: &Value) -> Result<(), String> {
        let at_least = |value: i64, min: i64| {
            if value < min {
                Err(format!("Value must be at least {min}"))
            } else {
                Ok(())
            }
        };
        let at_most = |value: i64, max: i64| {
            if value > max {
                Err(format!("Value must be no more than {max}"))
            } else {
                Ok(())
            }
        };
        match (self.valid, value) {
            (Valid::AtLeast(min), Value::Number(n)) => at_least(*n, min),
            (Valid::Between(min, max), Value::Number(n)) => at_least(*n, min).and(at_most(*n, max)),
            (Valid::BetweenOrMinusOne(min, max), Value::Number(n)) if *n != -1 => {
                at_least(*n, min).and(at_most(*n, max))
            }
            (Valid::AtLeastOneOrMinusOne, Value::Number(n)) if *n != -1 => at_least(*n, 1),
            (Valid::Ratio(min, _), Value::Double(value)) if *value < min => {
                Err(format!("Value must be at least {min}"))
            }
            (Valid::Ratio(_, max), Value::Double(value)) if *value > max || value.is_nan() => {
                Err(format!("Value must be no more than {max}"))
            }
            (Valid::OneOf(words), Value::Text(text)) => one_of(words, text, false),
            (Valid::OneOfIgnoreCase(words), Value::Text(text)) => one_of(words, text, true),
            (Valid::OneOf(words), Value::List(list)) => {
                list.iter().try_for_each(|text| one_of(words, text, false))
            }
            (Valid::NonEmpty, Value::Text(text)) if text.is_empty() => {
                Err("String must be non-empty".into())
            }
            (Valid::NonEmpty, Value::List(list)) if list.is_empty() => {
                Err("List must be non-empty".into())
            }
            (Valid::Version, Value::Text(text)) if !is_version(text) => {
                Err(format!("Version {text} is not a valid version"))
            }
            (Valid::ThrottledReplicas, Value::List(list)) if !throttled_replicas(list) => Err(
                "Each entry must be [partition]:[broker], or the list must be the single word *"
                    .into(),
            ),
            _ => Ok(()),
        }
    }
}

fn one_of(words: &[&str], text: &str, ignore_case: bool) -> Result<(), String> {
    let found = words
        .iter()
        .any(|word| *word == text || (ignore_case && word.eq_ignore_ascii_case(text)));
    if found {
        Ok(())
    } else {
        Err(format!("String must be one of: {}", words.join(", ")))
    }
}

/// Version names of Kafka as inter.broker.protocol.version takes them: 0.8.0 to 4.0-IV1, patch
/// releases and missing IVs included (MetadataVersion.fromVersionString).
fn is_version(text: &str) -> bool {
    let (numbers, iv) = match text.split_once("-IV") {
        Some((numbers, iv)) => (numbers, Some(iv)),
        None => (text, None),
    };
    if iv.is_some_and(|iv| iv.parse::<u8>().is_err()) {
        return false;
    }
    let parts: Option<Vec<u16>> = numbers.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([0, minor, ..]) => (8..=11).contains(minor),
        Some([major @ 1..=4, minor, ..]) => *major < 4 || *minor == 0,
        _ => false,
    }
}

fn throttled_replicas(list: &[String]) -> bool {
    let numbers = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    matches!(list, [one] if one == "*" || one.is_empty())
        || list.iter().all(|entry| {
            entry.split_once(':').is_some_and(|(partition, broker)| {
                numbers(partition.trim()) && numbers(broker.trim())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::words::*;
    use super::*;

    fn named(kind: Kind, valid: Valid) -> Key {
        key("k", kind, None, valid, High, ReadOnly, Both, Effective, "")
    }

    #[test]
    fn reads_values_as_java_does() {
        assert_eq!(named(Int, Any).parse(" 12 "), Ok(Value::Number(12)));
        assert!(named(Int, Any).parse("3000000000").is_err());
        assert!(named(Bool, Any).parse("yes").is_err());
        assert_eq!(named(Bool, Any).parse("TRUE"), Ok(Value::Bool(true)));
        assert_eq!(
            named(List, Any).parse("a , b"),
            Ok(Value::List(vec!["a".into(), "b".into()]))
        );
        assert_eq!(
            named(Int, AtLeast(1)).parse("0"),
            Err("Value must be at least 1".into())
        );
        assert!(named(Str, OneOf(&["a"])).parse("A").is_err());
        assert!(named(Str, OneOfIgnoreCase(&["a"])).parse("A").is_ok());
        assert!(named(List, ThrottledReplicas).parse("0:1,1:2").is_ok());
        assert!(named(List, ThrottledReplicas).parse("0:x").is_err());
    }

    #[test]
    fn prints_doubles_as_java_does() {
        assert_eq!(
            Value::Double(f64::MAX).to_string(),
            "1.7976931348623157E308"
        );
        assert_eq!(Value::Double(0.9).to_string(), "0.9");
        assert_eq!(Value::Double(1e7).to_string(), "1.0E7");
    }

    #[test]
    fn knows_version_names() {
        for good in ["0.8.2", "0.10.0-IV1", "2.7", "2.7.0", "3.9-IV0", "4.0-IV1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "0.7", "2", "5.0", "2.7-IVx", "x"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
