//! The table of all keys that Java 3.6.2 or 3.9 reads, by subject. `java_keys.txt` lists what was
//! found in both source trees; a test compares.

mod connections;
mod ensemble;
mod files;
mod operations;
mod requests;
mod security;

use super::key::Key;

const TABLES: [&[Key]; 6] = [
    connections::KEYS,
    files::KEYS,
    requests::KEYS,
    operations::KEYS,
    security::KEYS,
    ensemble::KEYS,
];

/// Every key, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Key> {
    TABLES.into_iter().flatten()
}

/// The row of a key as zoo.cfg spells it. Exact names win over families.
pub fn find(name: &str) -> Option<&'static Key> {
    let exact = all().find(|key| key.name == name && !key.name.ends_with('*'));
    exact.or_else(|| all().find(|key| key.matches(name)))
}
