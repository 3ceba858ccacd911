//! Replies (Java: `org.apache.zookeeper.proto`). A reply frame is a [`ReplyHeader`] and, when its
//! `err` is 0, the body that belongs to the request.

use super::acl::Acl;
use super::stat::Stat;

crate::jute_records! {
    struct ConnectResponse<'a> {
        protocol_version: i32,
        /// negotiated, milliseconds; 0 when the session is expired
        timeout: i32,
        session_id: i64,
        password: Option<&'a [u8]>,
        read_only: bool,
    }
    #[derive(Copy)]
    struct ReplyHeader {
        xid: i32,
        zxid: i64,
        err: i32,
    }
    /// `create`, `sync`.
    struct PathResponse<'a> {
        path: &'a str,
    }
    /// `create2`, `createContainer`, `createTTL`.
    struct Create2Response<'a> {
        path: &'a str,
        stat: Stat,
    }
    /// `exists`, `setData`, `setACL`.
    #[derive(Copy)]
    struct StatResponse {
        stat: Stat,
    }
    struct GetDataResponse<'a> {
        data: Option<&'a [u8]>,
        stat: Stat,
    }
    struct GetAclResponse<'a> {
        acl: Vec<Acl<'a>>,
        stat: Stat,
    }
    struct GetChildrenResponse<'a> {
        children: Vec<&'a str>,
    }
    struct GetChildren2Response<'a> {
        children: Vec<&'a str>,
        stat: Stat,
    }
    struct GetAllChildrenNumberResponse {
        total_number: i32,
    }
    struct GetEphemeralsResponse<'a> {
        ephemerals: Vec<&'a str>,
    }
    struct ErrorResponse {
        err: i32,
    }
    struct ClientInfo<'a> {
        auth_scheme: &'a str,
        user: &'a str,
    }
    struct WhoAmIResponse<'a> {
        client_info: Vec<ClientInfo<'a>>,
    }
    struct SaslResponse<'a> {
        token: Option<&'a [u8]>,
    }
}
