//! The schemes that this server knows, and the identities that clients have proved (Java:
//! `ProviderRegistry`, `AuthenticationProvider`).

use proto::zk::acl::Id;

use super::digest::Algorithm;
use super::{digest, ip};

/// An identity of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub scheme: Box<str>,
    pub id: Box<str>,
}

impl Identity {
    pub fn new(scheme: &str, id: &str) -> Self {
        Self {
            scheme: scheme.into(),
            id: id.into(),
        }
    }

    pub fn as_id(&self) -> Id<'_> {
        Id::new(&self.scheme, &self.id)
    }
}

/// What the configuration says about authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    /// `zookeeper.skipACL`
    pub skip_acl: bool,
    /// `zookeeper.DigestAuthenticationProvider.enabled`
    pub digest_enabled: bool,
    pub digest_algorithm: Algorithm,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`
    pub super_digest: Option<String>,
    /// the scheme `ensemble` with `zookeeper.ensembleAuthName`; none when its class is not configured
    pub ensemble: Option<EnsembleNames>,
}

/// Names that this ensemble goes by; none when clients may give any.
pub type EnsembleNames = Option<Vec<String>>;

/// What came of an `auth` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Proved(Vec<Identity>),
    Failed,
    /// The client wants an ensemble of this name, and this is it, or either side does not care.
    RightEnsemble {
        checked: bool,
    },
    /// It is closed without an answer, so that it tries another server.
    WrongEnsemble,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            skip_acl: false,
            digest_enabled: true,
            digest_algorithm: Algorithm::Sha1,
            super_digest: None,
            ensemble: None,
        }
    }
}

impl Providers {
    pub fn knows(&self, scheme: &str) -> bool {
        scheme == "ip" || (scheme == "digest" && self.digest_enabled)
    }

    /// May an ACL name this id of this scheme?
    pub fn is_valid(&self, id: Id<'_>) -> bool {
        match id.scheme {
            "ip" => ip::is_valid(id.id),
            "digest" => self.digest_enabled && digest::is_valid(id.id),
            _ => false,
        }
    }

    /// Does an identity of the same scheme match what an ACL says?
    pub fn matches(&self, scheme: &str, id: &str, expression: &str) -> bool {
        match scheme {
            "ip" => ip::matches(id, expression),
            "digest" => self.digest_enabled && id == expression,
            _ => false,
        }
    }

    /// Does an ACL entry with scheme `auth` stand for identities of this scheme?
    pub fn is_authenticated(&self, scheme: &str) -> bool {
        scheme == "digest" && self.digest_enabled
    }

    /// What an `auth` request proves. `address` is the client's.
    pub fn authenticate(&self, scheme: &str, auth: Option<&[u8]>, address: &str) -> Proof {
        match scheme {
            "ip" => Proof::Proved(vec![Identity::new("ip", address)]),
            "digest" if self.digest_enabled => {
                // Java falls over a null.
                let Some(auth) = auth else {
                    return Proof::Failed;
                };
                let id = digest::generate(self.digest_algorithm, &String::from_utf8_lossy(auth));
                let mut ids = Vec::new();
                if self.super_digest.as_ref() == Some(&id) {
                    ids.push(Identity::new("super", ""));
                }
                ids.push(Identity::new("digest", &id));
                Proof::Proved(ids)
            }
            "ensemble" => match &self.ensemble {
                Some(Some(names)) if auth.is_some_and(|auth| !auth.is_empty()) => {
                    let name = String::from_utf8_lossy(auth.unwrap_or_default());
                    if names.iter().any(|known| *known == name) {
                        Proof::RightEnsemble { checked: true }
                    } else {
                        Proof::WrongEnsemble
                    }
                }
                Some(_) => Proof::RightEnsemble { checked: false },
                None => Proof::Failed,
            },
            _ => Proof::Failed,
        }
    }

    /// The name that `whoAmI` shows.
    pub fn user_name<'a>(&self, id: Id<'a>) -> &'a str {
        match id.scheme {
            "ip" => id.id,
            "digest" if self.digest_enabled => id.id.split(':').next().unwrap_or_default(),
            _ => "",
        }
    }
}
