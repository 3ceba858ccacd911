//! One row of the table of keys: everything that is known about a configuration key.

/// Where Java reads the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// a key of zoo.cfg only (`QuorumPeerConfig.parseProperties` names it)
    Cfg,
    /// a key of zoo.cfg, and the system property `zookeeper.NAME` where zoo.cfg does not set it
    CfgOrProperty,
    /// the system property `zookeeper.NAME`, which a line `NAME=value` of zoo.cfg sets
    Property,
    /// the system property `NAME`, no prefix; we take it from zoo.cfg too
    Bare,
}

/// How the text is read. Keys of zoo.cfg are strict; a number in a property that Java cannot read
/// falls back to the default there, and here with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Long,
    Float,
    Bool,
    Text,
}

/// What a value of the key does in this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does what it does in Java.
    Effective,
    /// It is accepted; the note says why it has no meaning here.
    Noted(&'static str),
    /// A value other than those listed is refused with this sentence.
    Refused {
        unless: &'static [&'static str],
        why: &'static str,
    },
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// as zoo.cfg spells it; a trailing `*` stands for a family (`server.*`)
    pub name: &'static str,
    pub place: Where,
    pub kind: Kind,
    pub default: &'static str,
    /// the Java version that first knew it
    pub since: &'static str,
    pub doc: &'static str,
    pub status: Status,
    /// the test function that holds it
    pub test: &'static str,
}

/// Holds every key whose value is accepted with a note.
const NOTED: &str = "noted_keys_are_accepted_with_their_note";
/// Holds every key whose value is refused.
const REFUSED: &str = "refused_keys_name_key_file_and_line";

/// Why a key that only an ensemble reads has no meaning here.
const ENSEMBLE: &str = "only an ensemble reads it; a standalone server does not, in Java too";

impl Where {
    /// `QuorumPeerConfig.parseProperties` names the key.
    pub fn in_cfg(self) -> bool {
        matches!(self, Self::Cfg | Self::CfgOrProperty)
    }
}

impl Key {
    const fn new(
        name: &'static str,
        place: Where,
        kind: Kind,
        default: &'static str,
        since: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            place,
            kind,
            default,
            since,
            doc,
            status: Status::Effective,
            test: "",
        }
    }

    pub(super) const fn cfg(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        since: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, Where::Cfg, kind, default, since, doc)
    }

    pub(super) const fn prop(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        since: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, Where::Property, kind, default, since, doc)
    }

    pub(super) const fn bare(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        since: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, Where::Bare, kind, default, since, doc)
    }

    pub(super) const fn held_by(mut self, test: &'static str) -> Self {
        self.test = test;
        self
    }

    pub(super) const fn noted(mut self, why: &'static str) -> Self {
        self.status = Status::Noted(why);
        self.test = NOTED;
        self
    }

    pub(super) const fn or_property(mut self) -> Self {
        self.place = Where::CfgOrProperty;
        self
    }

    pub(super) const fn ensemble(self) -> Self {
        self.noted(ENSEMBLE)
    }

    pub(super) const fn refused(
        mut self,
        unless: &'static [&'static str],
        why: &'static str,
    ) -> Self {
        self.status = Status::Refused { unless, why };
        self.test = REFUSED;
        self
    }

    /// The name of the Java system property, for keys that are one.
    pub fn property(&self) -> Option<String> {
        match self.place {
            Where::Cfg => None,
            Where::CfgOrProperty | Where::Property => Some(format!("zookeeper.{}", self.name)),
            Where::Bare => Some(self.name.to_owned()),
        }
    }

    /// Whether `name` is this key or of its family.
    pub fn matches(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
            None => self.name == name,
        }
    }
}
