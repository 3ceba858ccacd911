//! What a znode tells about itself (Java: `org.apache.zookeeper.data.Stat`, `StatPersisted`).

crate::jute_records! {
    /// The answer to `stat`. Times are milliseconds since 1970.
    #[derive(Copy)]
    struct Stat {
        /// zxid of the creation
        czxid: i64,
        /// zxid of the last change of the data
        mzxid: i64,
        ctime: i64,
        mtime: i64,
        /// changes of the data
        version: i32,
        /// changes of the list of children
        cversion: i32,
        /// changes of the ACL
        aversion: i32,
        /// owner session, 0, or an encoded container or TTL mark (see `EphemeralType`)
        ephemeral_owner: i64,
        data_length: i32,
        num_children: i32,
        /// zxid of the last change of the list of children
        pzxid: i64,
    }

    /// The part of it that snapshots keep.
    #[derive(Copy)]
    struct StatPersisted {
        czxid: i64,
        mzxid: i64,
        ctime: i64,
        mtime: i64,
        version: i32,
        cversion: i32,
        aversion: i32,
        ephemeral_owner: i64,
        pzxid: i64,
    }
}
