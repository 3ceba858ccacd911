//! What is wrong with a configuration, said so that the operator knows the line to change, and the
//! exit code that Java's `QuorumPeerMain` would leave with.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// `ExitCode.INVALID_INVOCATION`
    Invalid,
    /// `ExitCode.UNEXPECTED_ERROR`
    Unexpected,
    /// `ExitCode.UNABLE_TO_ACCESS_DATADIR`
    DataDir,
}

/// One sentence: key, place, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub kind: ConfigErrorKind,
    pub message: String,
}

impl ConfigError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            kind: ConfigErrorKind::Invalid,
            message: message.into(),
        }
    }

    pub(super) fn unexpected(message: impl Into<String>) -> Self {
        Self {
            kind: ConfigErrorKind::Unexpected,
            message: message.into(),
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ConfigErrorKind::Unexpected => 1,
            ConfigErrorKind::Invalid => 2,
            ConfigErrorKind::DataDir => 3,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
