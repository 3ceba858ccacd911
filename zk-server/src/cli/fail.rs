//! Why a command failed (Java: `CliException` and its kinds, `CliWrapperException.getMessage`).

use driver::zk_client::Error;
use proto::zk::ErrorCode;

/// What is printed, and the exit code if it was the last command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) code: i32,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    pub(super) fn not_found(command: &str) -> Self {
        Self {
            message: format!("Command not found: Command not found {command}"),
            code: 127,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::Keeper { code, path } = &error else {
            return Self::new(error.to_string());
        };
        let path = path.as_deref().unwrap_or("null");
        let text = match code {
            ErrorCode::NoNode => "Node does not exist: ",
            ErrorCode::NoChildrenForEphemerals => "Ephemerals cannot have children: ",
            ErrorCode::NodeExists => "Node already exists: ",
            ErrorCode::NotEmpty => "Node not empty: ",
            ErrorCode::NotReadOnly => "Not a read-only call: ",
            ErrorCode::InvalidAcl => "Acl is not valid : ",
            ErrorCode::NoAuth => "Insufficient permission : ",
            ErrorCode::BadArguments => "Arguments are not valid : ",
            ErrorCode::BadVersion => "version No is not valid : ",
            ErrorCode::QuotaExceeded => "Quota has exceeded : ",
            ErrorCode::ReconfigInProgress => {
                return Self::new(
                    "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)",
                );
            }
            ErrorCode::NewConfigNoQuorum => {
                return Self::new(
                    "No quorum of new config is connected and up-to-date with the leader of last commmitted config - try invoking reconfiguration after new servers are connected and synced",
                );
            }
            _ => return Self::new(error.to_string()),
        };
        Self::new(format!("{text}{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_in_java() {
        let text = |code, path: Option<&str>| {
            let path = path.map(str::to_owned);
            Failure::from(Error::Keeper { code, path }).message
        };
        assert_eq!(
            text(ErrorCode::NoNode, Some("/a")),
            "Node does not exist: /a"
        );
        assert_eq!(text(ErrorCode::InvalidAcl, None), "Acl is not valid : null");
        assert_eq!(
            text(ErrorCode::NoWatcher, Some("/a")),
            "KeeperErrorCode = No such watcher for /a"
        );
        assert_eq!(
            text(ErrorCode::ReconfigDisabled, None),
            "KeeperErrorCode = Reconfig is disabled"
        );
    }
}
