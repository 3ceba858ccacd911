//! Access control lists (Java: `org.apache.zookeeper.data.ACL`, `ZooDefs.Perms`).

/// Permission bits.
pub mod perms {
    pub const READ: i32 = 1;
    pub const WRITE: i32 = 2;
    pub const CREATE: i32 = 4;
    pub const DELETE: i32 = 8;
    pub const ADMIN: i32 = 16;
    pub const ALL: i32 = 31;
}

crate::jute_records! {
    struct Id<'a> {
        scheme: &'a str,
        id: &'a str,
    }

    struct Acl<'a> {
        perms: i32,
        id: Id<'a>,
    }
}

impl<'a> Id<'a> {
    pub const fn new(scheme: &'a str, id: &'a str) -> Self {
        Self { scheme, id }
    }

    /// `world:anyone`, whom everybody is.
    pub const ANYONE: Id<'static> = Id::new("world", "anyone");
}

impl<'a> Acl<'a> {
    pub const fn new(perms: i32, id: Id<'a>) -> Self {
        Self { perms, id }
    }

    /// `OPEN_ACL_UNSAFE`
    pub const OPEN: Acl<'static> = Acl::new(perms::ALL, Id::ANYONE);
    /// `READ_ACL_UNSAFE`
    pub const READ: Acl<'static> = Acl::new(perms::READ, Id::ANYONE);
}
