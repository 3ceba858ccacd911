//! Requests (Java: `org.apache.zookeeper.proto`). The header and the body of one frame.

use super::acl::Acl;

crate::jute_records! {
    /// The first frame of a connection. Clients before 3.4 leave `read_only` out: see
    /// [`ConnectRequest::read_lenient`].
    struct ConnectRequest<'a> {
        protocol_version: i32,
        last_zxid_seen: i64,
        /// milliseconds that the client asks for
        timeout: i32,
        /// 0 for a new session
        session_id: i64,
        password: Option<&'a [u8]>,
        read_only: bool,
    }
    #[derive(Copy)]
    struct RequestHeader {
        xid: i32,
        op: i32,
    }
    struct CreateRequest<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        /// see [`CreateMode`]
        flags: i32,
    }
    struct CreateTtlRequest<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        flags: i32,
        /// milliseconds
        ttl: i64,
    }
    struct DeleteRequest<'a> {
        path: &'a str,
        version: i32,
    }
    /// `exists`, `getData`, `getChildren`, `getChildren2`: a path and whether to watch it.
    #[derive(Copy)]
    struct PathWatchRequest<'a> {
        path: &'a str,
        watch: bool,
    }
    /// `getACL`, `sync`, `getAllChildrenNumber`, `getEphemerals`, `deleteContainer`.
    #[derive(Copy)]
    struct PathRequest<'a> {
        path: &'a str,
    }
    struct SetDataRequest<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        version: i32,
    }
    struct SetAclRequest<'a> {
        path: &'a str,
        acl: Vec<Acl<'a>>,
        version: i32,
    }
    struct CheckVersionRequest<'a> {
        path: &'a str,
        version: i32,
    }
    /// All `new_members`, or else who joins and who leaves.
    struct ReconfigRequest<'a> {
        joining_servers: Option<&'a str>,
        leaving_servers: Option<&'a str>,
        new_members: Option<&'a str>,
        /// the version that the client starts from; -1 for any
        cur_config_id: i64,
    }
    struct AuthPacket<'a> {
        auth_type: i32,
        scheme: &'a str,
        auth: Option<&'a [u8]>,
    }
    struct SetWatches<'a> {
        relative_zxid: i64,
        data_watches: Vec<&'a str>,
        exist_watches: Vec<&'a str>,
        child_watches: Vec<&'a str>,
    }
    struct SetWatches2<'a> {
        relative_zxid: i64,
        data_watches: Vec<&'a str>,
        exist_watches: Vec<&'a str>,
        child_watches: Vec<&'a str>,
        persistent_watches: Vec<&'a str>,
        persistent_recursive_watches: Vec<&'a str>,
    }
    struct AddWatchRequest<'a> {
        path: &'a str,
        /// 0 persistent, 1 persistent recursive
        mode: i32,
    }
    /// `checkWatches` and `removeWatches`; `watcher_type`: 1 children, 2 data, 3 any.
    struct WatchesRequest<'a> {
        path: &'a str,
        watcher_type: i32,
    }
}

impl<'a> ConnectRequest<'a> {
    /// Reads a connect frame of any client: those before 3.4 end without `readOnly`. The second
    /// value tells whether the field was there.
    pub fn read_lenient(frame: &'a [u8]) -> Result<(Self, bool), crate::buf::ReadError> {
        use crate::jute::Jute;
        let mut r = crate::buf::Reader::new(frame);
        let mut request = Self {
            protocol_version: Jute::read(&mut r)?,
            last_zxid_seen: Jute::read(&mut r)?,
            timeout: Jute::read(&mut r)?,
            session_id: Jute::read(&mut r)?,
            password: Jute::read(&mut r)?,
            read_only: false,
        };
        let has_read_only = !r.is_empty();
        if has_read_only {
            request.read_only = Jute::read(&mut r)?;
        }
        Ok((request, has_read_only))
    }
}

/// `flags` of the create requests (Java: `CreateMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreateMode {
    Persistent,
    Ephemeral,
    PersistentSequential,
    EphemeralSequential,
    Container,
    PersistentWithTtl,
    PersistentSequentialWithTtl,
}

impl CreateMode {
    pub fn from_flag(flag: i32) -> Option<Self> {
        Some(match flag {
            0 => Self::Persistent,
            1 => Self::Ephemeral,
            2 => Self::PersistentSequential,
            3 => Self::EphemeralSequential,
            4 => Self::Container,
            5 => Self::PersistentWithTtl,
            6 => Self::PersistentSequentialWithTtl,
            _ => return None,
        })
    }

    pub fn flag(self) -> i32 {
        self as i32
    }

    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            Self::PersistentSequential
                | Self::EphemeralSequential
                | Self::PersistentSequentialWithTtl
        )
    }

    pub fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    pub fn is_ttl(self) -> bool {
        matches!(
            self,
            Self::PersistentWithTtl | Self::PersistentSequentialWithTtl
        )
    }
}
