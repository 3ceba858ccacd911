//! The scheme `digest`: `user:base64(hash(user:password))` (Java: `DigestAuthenticationProvider`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// `zookeeper.DigestAuthenticationProvider.digestAlg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    #[default]
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The names that Java's `MessageDigest` knows for them.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "SHA1" | "SHA-1" | "SHA" => Self::Sha1,
            "SHA-256" => Self::Sha256,
            "SHA-384" => Self::Sha384,
            "SHA-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn hash(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha1 => STANDARD.encode(Sha1::digest(bytes)),
            Self::Sha256 => STANDARD.encode(Sha256::digest(bytes)),
            Self::Sha384 => STANDARD.encode(Sha384::digest(bytes)),
            Self::Sha512 => STANDARD.encode(Sha512::digest(bytes)),
        }
    }
}

/// The id that `user:password` stands for.
pub fn generate(algorithm: Algorithm, id_password: &str) -> String {
    let user = id_password.split(':').next().unwrap_or_default();
    format!("{user}:{}", algorithm.hash(id_password.as_bytes()))
}

/// May an ACL name this id? Java's `split` drops empty parts at the end.
pub fn is_valid(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_javas_tool() {
        assert_eq!(
            generate(Algorithm::Sha1, "super:test"),
            "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
        );
        assert!(generate(Algorithm::Sha256, "a:b").starts_with("a:"));
        assert_eq!(Algorithm::from_name("SHA-256"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::from_name("MD5"), None);
    }

    #[test]
    fn valid_ids_have_two_parts() {
        assert!(is_valid("a:b") && is_valid("a:b:"));
        assert!(!is_valid("a") && !is_valid("a:b:c") && !is_valid("a:"));
    }
}
