//! Transactions as the log, the quorum protocol and the snapshots' digests carry them
//! (Java: `org.apache.zookeeper.txn`, `SerializeUtils`).

use super::acl::Acl;

crate::jute_records! {
    #[derive(Copy)]
    struct TxnHeader {
        client_id: i64,
        cxid: i32,
        zxid: i64,
        /// milliseconds since 1970
        time: i64,
        /// an `OpCode`
        op: i32,
    }
    /// Follows the body of a transaction since 3.6.
    #[derive(Copy)]
    struct TxnDigest {
        version: i32,
        tree_digest: i64,
    }
    struct CreateTxn<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        ephemeral: bool,
        /// cversion of the parent after the creation; -1 when a log older than 3.4 lacks it
        parent_cversion: i32,
    }
    struct CreateTxnV0<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        ephemeral: bool,
    }
    struct CreateTtlTxn<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        parent_cversion: i32,
        /// milliseconds
        ttl: i64,
    }
    struct CreateContainerTxn<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        acl: Vec<Acl<'a>>,
        parent_cversion: i32,
    }
    /// `delete` and `deleteContainer`.
    struct DeleteTxn<'a> {
        path: &'a str,
    }
    /// `version` is the version that the data has afterwards.
    struct SetDataTxn<'a> {
        path: &'a str,
        data: Option<&'a [u8]>,
        version: i32,
    }
    struct CheckVersionTxn<'a> {
        path: &'a str,
        version: i32,
    }
    struct SetAclTxn<'a> {
        path: &'a str,
        acl: Vec<Acl<'a>>,
        version: i32,
    }
    struct CreateSessionTxn {
        timeout: i32,
    }
    /// Absent in logs of 3.4 and 3.5.
    struct CloseSessionTxn<'a> {
        paths_to_delete: Vec<&'a str>,
    }
    struct ErrorTxn {
        err: i32,
    }
    /// One operation of a multi.
    struct Txn<'a> {
        op: i32,
        data: Option<&'a [u8]>,
    }
    struct MultiTxn<'a> {
        txns: Vec<Txn<'a>>,
    }
}
