//! Answers from the tree as it is (Java: `FinalRequestProcessor`, the requests that are no
//! transactions). The reply is encoded straight from the znode into the connection's output.

use proto::buf::ReadError;
use proto::jute::Jute;
use proto::zk::acl::perms;
use proto::zk::op::xid;
use proto::zk::request::{
    AddWatchRequest, PathRequest, PathWatchRequest, RequestHeader, SetWatches, SetWatches2,
    WatchesRequest,
};
use proto::zk::response::ReplyHeader;
use proto::zk::{ErrorCode, OpCode};

use crate::auth::{Identity, Providers, acl};
use crate::core::conn::Conn;
use crate::core::io::{self, Output};
use crate::core::namespaces::Namespaces;
use crate::core::server::{Event, Server};
use crate::tree::DataTree;
use crate::tree::nodes::{Node, NodeId};
use crate::units::ConnId;
use crate::watch::{Full, Mode, Watches};

use super::commit::short_name;
use super::multi_read::multi_read;
use super::reply;
use super::request::is_write;
use super::watches::set_watches;

/// Why a read has no answer.
pub(super) struct Failed(pub(super) ErrorCode);

impl From<ErrorCode> for Failed {
    fn from(code: ErrorCode) -> Self {
        Self(code)
    }
}

/// A request that cannot be read.
impl From<ReadError> for Failed {
    fn from(_: ReadError) -> Self {
        Self(ErrorCode::MarshallingError)
    }
}

/// No room for a watch: nothing that the client did is wrong.
impl From<Full> for Failed {
    fn from(_: Full) -> Self {
        Self(ErrorCode::SystemError)
    }
}

/// What a read looks at, and where its reply goes.
pub(super) struct Read<'a> {
    pub(super) tree: &'a DataTree,
    pub(super) watches: &'a mut Watches,
    pub(super) namespaces: &'a mut Namespaces,
    pub(super) providers: &'a Providers,
    pub(super) ids: &'a [Identity],
    pub(super) session: i64,
    /// the connection, as a watcher
    pub(super) watcher: u32,
    pub(super) header: ReplyHeader,
    pub(super) out: &'a mut Vec<u8>,
    /// events written before the reply
    pub(super) events: u64,
}

impl Server {
    /// Answers a request that is no write.
    pub(crate) fn answer(
        &mut self,
        slot: u32,
        header: RequestHeader,
        body: &[u8],
        at_us: u64,
        out: &mut Vec<Output>,
    ) {
        let zxid = self.db.last_zxid().0;
        let now = self.now.mono_us;
        let Some(conn) = self.conns.writer(slot) else {
            return;
        };
        let op = match OpCode::from_code(header.op) {
            Some(op) if self.mode == io::Mode::ReadOnly && (is_write(op) || op == OpCode::Sync) => {
                if op == OpCode::CloseSession && self.tracker.is_local(conn.session) {
                    return self.close_local_session(slot, header.xid, out);
                }
                return self.refuse(slot, header.xid, ErrorCode::NotReadOnly);
            }
            Some(OpCode::CloseSession) if self.tracker.is_local(conn.session) => {
                return self.close_local_session(slot, header.xid, out);
            }
            Some(op) if is_read(op) => op,
            _ => {
                let conn_id = conn.id;
                reply::error(&mut conn.out, header.xid, -1, ErrorCode::Unimplemented);
                self.stats.packets_sent += 1;
                self.stats.unknown_requests += 1;
                let op = header.op;
                self.event(Event::UnknownRequest { conn: conn_id, op });
                return self.close(slot, out);
            }
        };
        let start = conn.out.len();
        let xid = if op == OpCode::Ping {
            xid::PING
        } else {
            header.xid
        };
        let Conn {
            ids,
            session,
            out: reply,
            ..
        } = conn;
        let mut read = Read {
            tree: self.db.tree(),
            watches: &mut self.watches,
            namespaces: &mut self.stats.namespaces,
            providers: &self.settings.providers,
            ids,
            session: *session,
            watcher: slot,
            header: ReplyHeader { xid, zxid, err: 0 },
            out: reply,
            events: 0,
        };
        let done = read.run(op, body);
        let events = read.events;
        let mut full = false;
        if let Err(Failed(code)) = done {
            conn.out.truncate(start);
            reply::error(&mut conn.out, xid, zxid, code);
            full = code == ErrorCode::SystemError;
        }
        let id = conn.id;
        conn.stats
            .answered(header.xid, zxid, short_name(op), at_us, now);
        conn.stats.sent += events;
        self.stats.packets_sent += 1 + events;
        let bytes = conn.out.len() - start - 4;
        self.stats.response(bytes);
        let latency = now.saturating_sub(at_us);
        self.stats.latency.add(latency);
        self.stats.read_latency.add(latency);
        if bytes > self.settings.max_buffer {
            self.long_reply(id, op, bytes);
        }
        if full {
            let what = "watches";
            self.event(Event::LimitReached { conn: id, what });
            // No client looks at the error of this one: it would wait for events in vain.
            if matches!(op, OpCode::SetWatches | OpCode::SetWatches2) {
                self.close(slot, out);
            }
        }
    }

    /// Sent all the same, as in Java: the client may have a larger `jute.maxbuffer` than we have. Told
    /// at the first, second, fourth and so on: a client in a loop must not fill the log.
    fn long_reply(&mut self, conn: ConnId, op: OpCode, bytes: usize) {
        self.stats.long_replies += 1;
        if self.stats.long_replies.is_power_of_two() {
            let op = op.java_name();
            self.event(Event::LongReply { conn, op, bytes });
        }
    }

    /// Nobody else knows the session: it is over at once.
    fn close_local_session(&mut self, slot: u32, xid: i32, out: &mut Vec<Output>) {
        let session = self.conns.get(slot).map_or(0, |conn| conn.session);
        self.tracker.remove(session);
        self.refuse(slot, xid, ErrorCode::Ok);
        self.close(slot, out);
    }
}

fn is_read(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Ping
            | OpCode::Exists
            | OpCode::GetData
            | OpCode::GetAcl
            | OpCode::GetChildren
            | OpCode::GetChildren2
            | OpCode::GetAllChildrenNumber
            | OpCode::GetEphemerals
            | OpCode::Sync
            | OpCode::MultiRead
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::AddWatch
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::WhoAmI
    )
}

impl Read<'_> {
    fn run(&mut self, op: OpCode, body: &[u8]) -> Result<(), Failed> {
        match op {
            OpCode::Exists => self.exists(Jute::from_bytes(body)?)?,
            OpCode::GetData => self.get_data(Jute::from_bytes(body)?)?,
            OpCode::GetAcl => self.get_acl(Jute::from_bytes(body)?)?,
            OpCode::GetChildren => self.get_children(Jute::from_bytes(body)?, false)?,
            OpCode::GetChildren2 => self.get_children(Jute::from_bytes(body)?, true)?,
            OpCode::GetAllChildrenNumber => {
                let PathRequest { path } = Jute::from_bytes(body)?;
                let (id, _) = self.readable(path)?;
                let number = self.tree.descendants(path, id);
                self.ok(|out| number.write(out));
            }
            OpCode::GetEphemerals => self.get_ephemerals(Jute::from_bytes(body)?),
            OpCode::Sync => {
                let PathRequest { path } = Jute::from_bytes(body)?;
                self.ok(|out| path.write(out));
            }
            OpCode::MultiRead => multi_read(self, body)?,
            OpCode::SetWatches | OpCode::SetWatches2 => {
                let asked = read_set_watches(op, body)?;
                self.events = set_watches(self.tree, self.watches, self.watcher, &asked, self.out)?;
                self.ok(|_| {});
            }
            OpCode::AddWatch => {
                let AddWatchRequest { path, mode } = Jute::from_bytes(body)?;
                let mode = match mode {
                    0 => Mode::PERSISTENT,
                    1 => Mode::RECURSIVE,
                    _ => return Err(ErrorCode::MarshallingError.into()),
                };
                self.watches.add(path, self.watcher, mode)?;
                self.ok(|out| 0i32.write(out));
            }
            OpCode::CheckWatches => {
                let (path, mode) = read_watcher_type(body)?;
                if !self.watches.contains(path, self.watcher, mode) {
                    return Err(ErrorCode::NoWatcher.into());
                }
                self.ok(|_| {});
            }
            OpCode::RemoveWatches => {
                let (path, mode) = read_watcher_type(body)?;
                if !self.watches.remove(path, self.watcher, mode) {
                    return Err(ErrorCode::NoWatcher.into());
                }
                self.ok(|_| {});
            }
            OpCode::WhoAmI => self.who_am_i(),
            _ => self.ok(|_| {}),
        }
        Ok(())
    }

    pub(super) fn ok(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        reply::frame(self.out, self.header, body);
    }

    fn allow(&self, node: &Node, perm: i32) -> Result<(), ErrorCode> {
        let list = self.tree.acls().get_ref(node.acl);
        acl::check(self.providers, list, perm, self.ids)
    }

    /// A node that the client may read.
    pub(super) fn readable(&self, path: &str) -> Result<(NodeId, &Node), ErrorCode> {
        let id = self.tree.find(path).ok_or(ErrorCode::NoNode)?;
        let node = self.tree.node(id);
        self.allow(node, perms::READ)?;
        Ok((id, node))
    }

    fn exists(&mut self, request: PathWatchRequest<'_>) -> Result<(), Failed> {
        if request.path.contains('\0') {
            return Err(ErrorCode::BadArguments.into());
        }
        let id = self.tree.find(request.path);
        if let Some(id) = id {
            self.allow(self.tree.node(id), perms::READ)?;
        }
        if request.watch {
            self.watches.add(request.path, self.watcher, Mode::DATA)?;
        }
        let stat = self.tree.stat(self.tree.node(id.ok_or(ErrorCode::NoNode)?));
        self.namespaces.read(request.path, 0);
        self.ok(|out| stat.write(out));
        Ok(())
    }

    fn get_data(&mut self, request: PathWatchRequest<'_>) -> Result<(), Failed> {
        let (id, _) = self.readable(request.path)?;
        if request.watch {
            self.watches.add(request.path, self.watcher, Mode::DATA)?;
        }
        let node = self.tree.node(id);
        let stat = self.tree.stat(node);
        self.namespaces.read(request.path, node.data_len());
        let header = self.header;
        self.out.reserve(node.data_len() + 92);
        reply::frame(self.out, header, |out| {
            node.data().write(out);
            stat.write(out);
        });
        Ok(())
    }

    fn get_children(
        &mut self,
        request: PathWatchRequest<'_>,
        with_stat: bool,
    ) -> Result<(), Failed> {
        let (id, _) = self.readable(request.path)?;
        if request.watch {
            self.watches.add(request.path, self.watcher, Mode::CHILD)?;
        }
        let tree = self.tree;
        let header = self.header;
        let mut names = 0;
        reply::frame(self.out, header, |out| {
            names = write_children(tree, id, out);
            if with_stat {
                tree.stat(tree.node(id)).write(out);
            }
        });
        self.namespaces.read(request.path, names);
        Ok(())
    }

    fn get_acl(&mut self, request: PathRequest<'_>) -> Result<(), Failed> {
        let id = self.tree.find(request.path).ok_or(ErrorCode::NoNode)?;
        let node = self.tree.node(id);
        self.allow(node, perms::READ | perms::ADMIN)?;
        let admin = self.allow(node, perms::ADMIN).is_ok();
        let list = self.tree.acls().get_ref(node.acl);
        let stat = self.tree.stat(node);
        let header = self.header;
        reply::frame(self.out, header, |out| {
            if admin {
                out.extend_from_slice(list.bytes());
            } else {
                (list.iter().count() as i32).write(out);
                let mut buffer = String::new();
                for entry in list.iter() {
                    acl::redacted(&entry, &mut buffer).write(out);
                }
            }
            stat.write(out);
        });
        Ok(())
    }

    fn get_ephemerals(&mut self, request: PathRequest<'_>) {
        let prefix = match request.path.trim() {
            "" | "/" => "",
            _ => request.path,
        };
        let mut paths = self.tree.ephemerals_of(self.session);
        paths.retain(|path| path.starts_with(prefix));
        self.ok(|out| {
            (paths.len() as i32).write(out);
            for path in &paths {
                path.as_str().write(out);
            }
        });
    }

    fn who_am_i(&mut self) {
        let (ids, providers) = (self.ids, self.providers);
        self.ok(|out| {
            (ids.len() as i32).write(out);
            for id in ids {
                (&*id.scheme).write(out);
                providers.user_name(id.as_id()).write(out);
            }
        });
    }
}

/// The names of a node's children, as a jute vector. Tells how many bytes the names have.
pub(super) fn write_children(tree: &DataTree, id: NodeId, out: &mut Vec<u8>) -> usize {
    let children = tree.node(id).children();
    (children as i32).write(out);
    let start = out.len();
    for child in tree.arena().children(id) {
        Some(tree.node(child).name()).write(out);
    }
    out.len() - start - 4 * children as usize
}

fn read_set_watches(op: OpCode, body: &[u8]) -> Result<SetWatches2<'_>, ReadError> {
    if op == OpCode::SetWatches2 {
        return Jute::from_bytes(body);
    }
    let old = SetWatches::from_bytes(body)?;
    Ok(SetWatches2 {
        relative_zxid: old.relative_zxid,
        data_watches: old.data_watches,
        exist_watches: old.exist_watches,
        child_watches: old.child_watches,
        persistent_watches: Vec::new(),
        persistent_recursive_watches: Vec::new(),
    })
}

/// Path and what Java's `WatcherType` stands for.
fn read_watcher_type(body: &[u8]) -> Result<(&str, Mode), Failed> {
    let WatchesRequest { path, watcher_type } = Jute::from_bytes(body)?;
    let mode = match watcher_type {
        1 => Mode::CHILD,
        2 => Mode::DATA,
        3 => Mode::ANY,
        4 => Mode::PERSISTENT,
        5 => Mode::RECURSIVE,
        _ => return Err(ErrorCode::MarshallingError.into()),
    };
    Ok((path, mode))
}
