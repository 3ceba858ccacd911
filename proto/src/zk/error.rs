//! Error codes of replies (Java: `KeeperException.Code`).

macro_rules! codes {
    ($($(#[$m:meta])* $name:ident = $code:literal, $java:literal, $message:literal;)*) => {
        /// A code that a reply header or a multi result may carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum ErrorCode { $($(#[$m])* $name = $code),* }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            pub fn from_code(code: i32) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The name that Java's enum gives it.
            pub fn java_name(self) -> &'static str {
                match self { $(Self::$name => $java),* }
            }

            /// The word in Java's exception messages (`KeeperErrorCode = …`).
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message),* }
            }
        }
    };
}

codes! {
    Ok = 0, "OK", "ok";
    SystemError = -1, "SYSTEMERROR", "SystemError";
    RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY", "RuntimeInconsistency";
    DataInconsistency = -3, "DATAINCONSISTENCY", "DataInconsistency";
    ConnectionLoss = -4, "CONNECTIONLOSS", "ConnectionLoss";
    MarshallingError = -5, "MARSHALLINGERROR", "MarshallingError";
    Unimplemented = -6, "UNIMPLEMENTED", "Unimplemented";
    OperationTimeout = -7, "OPERATIONTIMEOUT", "OperationTimeout";
    BadArguments = -8, "BADARGUMENTS", "BadArguments";
    UnknownSession = -12, "UNKNOWNSESSION", "Unknown error -12";
    NewConfigNoQuorum = -13, "NEWCONFIGNOQUORUM", "NewConfigNoQuorum";
    ReconfigInProgress = -14, "RECONFIGINPROGRESS", "ReconfigInProgress";
    ApiError = -100, "APIERROR", "APIError";
    NoNode = -101, "NONODE", "NoNode";
    NoAuth = -102, "NOAUTH", "NoAuth";
    BadVersion = -103, "BADVERSION", "BadVersion";
    NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS", "NoChildrenForEphemerals";
    NodeExists = -110, "NODEEXISTS", "NodeExists";
    NotEmpty = -111, "NOTEMPTY", "Directory not empty";
    SessionExpired = -112, "SESSIONEXPIRED", "Session expired";
    InvalidCallback = -113, "INVALIDCALLBACK", "Invalid callback";
    InvalidAcl = -114, "INVALIDACL", "InvalidACL";
    AuthFailed = -115, "AUTHFAILED", "AuthFailed";
    SessionMoved = -118, "SESSIONMOVED", "Session moved";
    NotReadOnly = -119, "NOTREADONLY", "Not a read-only call";
    EphemeralOnLocalSession = -120, "EPHEMERALONLOCALSESSION", "Ephemeral node on local session";
    NoWatcher = -121, "NOWATCHER", "No such watcher";
    RequestTimeout = -122, "REQUESTTIMEOUT", "Request timeout";
    ReconfigDisabled = -123, "RECONFIGDISABLED", "Reconfig is disabled";
    SessionClosedRequireSaslAuth = -124, "SESSIONCLOSEDREQUIRESASLAUTH",
        "Session closed because client failed to authenticate";
    QuotaExceeded = -125, "QUOTAEXCEEDED", "Quota has exceeded";
    ThrottledOp = -127, "THROTTLEDOP", "Op throttled due to high load";
}

impl ErrorCode {
    pub fn code(self) -> i32 {
        self as i32
    }
}
