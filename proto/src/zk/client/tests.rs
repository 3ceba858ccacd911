//! Stories of the session machine, with the server's side played by hand.

use bytes::BytesMut;

use super::watches::Registration;
use super::*;
use crate::buf::Reader;
use crate::jute::Jute;
use crate::zk::op::xid;
use crate::zk::request::{ConnectRequest, RequestHeader, SetWatches};
use crate::zk::response::{ConnectResponse, ReplyHeader};
use crate::zk::watch::WatcherEvent;
use crate::zk::{ErrorCode, OpCode};

struct Story {
    session: Session,
    now: u64,
}

fn config() -> Config {
    let parsed = ConnectString::parse("a:1,b:2/root").unwrap();
    Config {
        servers: parsed.servers,
        chroot: parsed.chroot,
        timeout_ms: 9000,
        session: None,
        read_only: false,
        expire_unheard: false,
        seed: 7,
        max_frame: 1 << 20,
        max_outstanding: 100,
    }
}

impl Story {
    fn new(config: Config) -> Self {
        Self {
            session: Session::new(config, 0),
            now: 0,
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// Lets time pass to the next timeout.
    fn wait(&mut self) {
        self.now = self.session.poll_timeout().unwrap();
        self.session.handle_timeout(self.now);
    }

    /// Frames that the client sends, without their lengths.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let out = self.session.poll_transmit().unwrap_or_default();
        let mut r = Reader::new(&out);
        let mut frames = Vec::new();
        while !r.is_empty() {
            let length = r.i32().unwrap() as usize;
            frames.push(r.take(length).unwrap().to_vec());
        }
        frames
    }

    fn headers(&mut self) -> Vec<(i32, i32)> {
        let frames = self.sent();
        let header = |f: &Vec<u8>| RequestHeader::from_bytes(f).unwrap();
        frames.iter().map(header).map(|h| (h.xid, h.op)).collect()
    }

    fn receive(&mut self, body: &[u8]) {
        let mut input = BytesMut::new();
        input.extend_from_slice(&(body.len() as i32).to_be_bytes());
        input.extend_from_slice(body);
        self.session.handle_bytes(self.now, &mut input);
    }

    fn answer(&mut self, xid: i32, zxid: i64, err: ErrorCode, body: &[u8]) {
        let mut frame = ReplyHeader {
            xid,
            zxid,
            err: err.code(),
        }
        .to_vec();
        frame.extend_from_slice(body);
        self.receive(&frame);
    }

    fn welcome(&mut self, timeout: i32, id: i64, read_only: bool) {
        let reply = ConnectResponse {
            protocol_version: 0,
            timeout,
            session_id: id,
            password: Some(b"0123456789abcdef"),
            read_only,
        };
        self.receive(&reply.to_vec());
    }

    /// Dials, connects, and gets a session; the connect request.
    fn establish(&mut self) -> Vec<u8> {
        self.wait();
        assert!(matches!(self.events().last(), Some(Event::Dial(_))));
        self.session.connected(self.now);
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1);
        self.welcome(6000, 0x42, false);
        assert_eq!(self.events(), [Event::State(SessionState::SyncConnected)]);
        sent.remove(0)
    }

    fn submit(&mut self, id: u64, op: OpCode, registration: Option<Registration>) {
        let request = call::Request {
            op,
            body: Vec::new(),
            registration,
        };
        self.session.submit(self.now, id, request);
    }
}

#[test]
fn a_session_begins_and_ends() {
    let mut s = Story::new(config());
    let connect = s.establish();
    let request = ConnectRequest::from_bytes(&connect).unwrap();
    assert_eq!((request.timeout, request.session_id), (9000, 0));
    assert_eq!(s.session.credentials().id, 0x42);
    assert_eq!(s.session.timeout_ms(), 6000);
    s.submit(1, OpCode::GetData, None);
    s.session.close(s.now);
    s.submit(2, OpCode::GetData, None);
    assert_eq!(
        s.headers(),
        [
            (1, OpCode::GetData.code()),
            (2, OpCode::CloseSession.code())
        ]
    );
    s.answer(1, 5, ErrorCode::Ok, b"body");
    s.answer(2, 6, ErrorCode::Ok, b"");
    let events = s.events();
    assert_eq!(
        events[0],
        Event::Reply {
            id: 2,
            zxid: 0,
            result: Err(ErrorCode::ConnectionLoss)
        }
    );
    assert_eq!(
        events[1],
        Event::Reply {
            id: 1,
            zxid: 5,
            result: Ok("body".into())
        }
    );
    assert_eq!(
        events[2..],
        [Event::HangUp, Event::State(SessionState::Closed)]
    );
    assert!(s.session.is_dead() && s.session.poll_timeout().is_none());
}

#[test]
fn a_lost_connection_fails_requests_and_sets_watches_again() {
    let mut s = Story::new(config());
    s.establish();
    s.submit(
        1,
        OpCode::Exists,
        Some(Registration::Exists("/root/x".into())),
    );
    s.submit(
        2,
        OpCode::GetData,
        Some(Registration::Data("/root/y".into())),
    );
    assert_eq!(s.sent().len(), 2);
    s.answer(1, 77, ErrorCode::NoNode, b"");
    s.session.add_auth(s.now, "digest", Some(b"a:b"));
    s.session.disconnected(s.now);
    let events = s.events();
    assert_eq!(
        events[1..],
        [
            Event::Reply {
                id: 2,
                zxid: 0,
                result: Err(ErrorCode::ConnectionLoss)
            },
            Event::State(SessionState::Disconnected)
        ]
    );
    s.submit(3, OpCode::Sync, None);
    s.wait();
    assert_eq!(
        s.events(),
        [Event::Dial(Server {
            host: "b".into(),
            port: 2
        })]
    );
    s.session.connected(s.now);
    let connect = s.sent().remove(0);
    let request = ConnectRequest::from_bytes(&connect).unwrap();
    assert_eq!((request.session_id, request.last_zxid_seen), (0x42, 77));
    s.welcome(6000, 0x42, false);
    let sent = s.sent();
    let ops: Vec<_> = sent
        .iter()
        .map(|f| RequestHeader::from_bytes(f).unwrap())
        .collect();
    assert_eq!((ops[0].xid, ops[1].xid, ops[2].xid), (-4, -8, 3));
    let set = SetWatches::from_bytes(&sent[1][8..]).unwrap();
    assert_eq!(
        (set.relative_zxid, set.exist_watches),
        (77, vec!["/root/x"])
    );
    s.events();
    // The watch fires once, with the client's path, and is no longer known afterwards.
    let event = WatcherEvent {
        event_type: 1,
        state: 3,
        path: "/root/x",
    };
    for _ in 0..2 {
        s.answer(xid::NOTIFICATION, -1, ErrorCode::Ok, &event.to_vec());
    }
    let events = s.events();
    assert_eq!(events.len(), 1);
    assert!(matches!(&events[0], Event::Watch(e) if e.path == "/x"));
    s.answer(xid::SET_WATCHES, 78, ErrorCode::Ok, b"");
    s.answer(3, 78, ErrorCode::Ok, b"");
    assert!(matches!(
        s.events()[..],
        [Event::Reply {
            id: 3,
            result: Ok(_),
            ..
        }]
    ));
}

#[test]
fn a_silent_server_is_pinged_and_left() {
    let mut s = Story::new(config());
    s.establish();
    s.wait();
    assert_eq!(s.now, 2000);
    assert_eq!(s.headers(), [(xid::PING, OpCode::Ping.code())]);
    s.answer(xid::PING, 0, ErrorCode::Ok, b"");
    s.wait();
    assert_eq!((s.now, s.headers().len()), (4000, 1));
    s.wait();
    assert_eq!((s.now, s.headers().len()), (6000, 0));
    // 2/3 of 6000 after it was heard last.
    assert_eq!(
        s.events(),
        [Event::HangUp, Event::State(SessionState::Disconnected)]
    );
    s.wait();
    assert!(matches!(s.events()[..], [Event::Dial(_)]));
    // No answer to the dial: half of the timeout, there are two servers.
    let since = s.now;
    s.wait();
    assert_eq!(s.now, since + 3000);
    assert_eq!(s.events(), [Event::HangUp]);
}

#[test]
fn an_expired_session_is_told_once() {
    let credentials = Credentials {
        id: 9,
        password: vec![1; 16],
    };
    let mut s = Story::new(Config {
        session: Some(credentials),
        ..config()
    });
    s.submit(1, OpCode::Exists, None);
    s.wait();
    s.events();
    s.session.connected(s.now);
    let connect = s.sent().remove(0);
    assert_eq!(ConnectRequest::from_bytes(&connect).unwrap().session_id, 9);
    s.welcome(0, 0, false);
    assert_eq!(
        s.events(),
        [
            Event::HangUp,
            Event::Reply {
                id: 1,
                zxid: 0,
                result: Err(ErrorCode::SessionExpired)
            },
            Event::State(SessionState::Expired)
        ]
    );
    s.submit(2, OpCode::Exists, None);
    assert!(matches!(
        s.events()[..],
        [Event::Reply {
            result: Err(ErrorCode::SessionExpired),
            ..
        }]
    ));
}

#[test]
fn unheard_sessions_expire_here_when_asked_to() {
    let mut s = Story::new(Config {
        expire_unheard: true,
        ..config()
    });
    s.establish();
    s.session.disconnected(s.now);
    s.events();
    while !s.session.is_dead() {
        s.wait();
        s.session.disconnected(s.now);
    }
    assert_eq!(s.now, 8000);
    assert_eq!(
        s.events().last(),
        Some(&Event::State(SessionState::Expired))
    );
}

#[test]
fn refused_authentication_ends_the_session() {
    let mut s = Story::new(config());
    s.establish();
    s.session.add_auth(s.now, "nosuch", None);
    s.submit(1, OpCode::Sync, None);
    s.answer(xid::AUTH, 0, ErrorCode::AuthFailed, b"");
    assert_eq!(
        s.events(),
        [
            Event::HangUp,
            Event::Reply {
                id: 1,
                zxid: 0,
                result: Err(ErrorCode::AuthFailed)
            },
            Event::State(SessionState::AuthFailed)
        ]
    );
    assert_eq!(s.session.states(), States::AuthFailed);
}

#[test]
fn replies_out_of_order_and_oversize_frames_drop_the_connection() {
    let mut s = Story::new(config());
    s.establish();
    s.submit(1, OpCode::Sync, None);
    s.answer(2, 1, ErrorCode::Ok, b"");
    assert!(matches!(
        s.events()[..],
        [
            Event::HangUp,
            Event::Reply {
                id: 1,
                result: Err(ErrorCode::ConnectionLoss),
                ..
            },
            _
        ]
    ));
    let mut s = Story::new(config());
    s.establish();
    let mut input = BytesMut::from(&[0x7f, 0xff, 0xff, 0xff][..]);
    s.session.handle_bytes(s.now, &mut input);
    assert_eq!(s.events()[0], Event::HangUp);
}

#[test]
fn a_read_only_session_moves_to_a_read_write_server() {
    let mut s = Story::new(Config {
        read_only: true,
        ..config()
    });
    s.wait();
    s.events();
    s.session.connected(s.now);
    s.sent();
    s.welcome(6000, 0x42, true);
    assert_eq!(s.events(), [Event::State(SessionState::ConnectedReadOnly)]);
    s.wait();
    assert_eq!(s.now, 100);
    assert_eq!(
        s.events(),
        [Event::Probe(Server {
            host: "b".into(),
            port: 2
        })]
    );
    s.session.probed(s.now, true);
    s.events();
    s.wait();
    assert_eq!(
        s.events(),
        [Event::Dial(Server {
            host: "b".into(),
            port: 2
        })]
    );
    s.session.connected(s.now);
    // The read-only server's session is not known to the others.
    let connect = s.sent().remove(0);
    assert_eq!(ConnectRequest::from_bytes(&connect).unwrap().session_id, 0);
}

#[test]
fn removing_watches_tells_which() {
    let mut s = Story::new(config());
    s.establish();
    let remove = |local| Registration::Remove {
        path: "/root/x".into(),
        kind: WatcherType::Any,
        local,
    };
    s.submit(1, OpCode::RemoveWatches, Some(remove(false)));
    s.answer(1, 1, ErrorCode::Ok, b"");
    assert!(matches!(
        s.events()[..],
        [Event::Reply {
            result: Err(ErrorCode::NoWatcher),
            ..
        }]
    ));
    s.submit(
        2,
        OpCode::GetChildren2,
        Some(Registration::Child("/root/x".into())),
    );
    s.answer(2, 1, ErrorCode::Ok, b"");
    s.submit(3, OpCode::RemoveWatches, Some(remove(true)));
    s.events();
    s.session.disconnected(s.now);
    let events = s.events();
    assert!(matches!(&events[0], Event::Watch(e)
        if e.path == "/x" && e.state == SessionState::Disconnected && e.zxid == -1));
    assert!(matches!(
        events[1],
        Event::Reply {
            id: 3,
            result: Ok(_),
            ..
        }
    ));
}

proptest::proptest! {
    /// Whatever a server sends, the session survives it or drops the connection.
    #[test]
    fn hostile_bytes_are_survived(chunks: Vec<Vec<u8>>, established: bool) {
        let mut s = Story::new(config());
        if established {
            s.establish();
            s.submit(1, OpCode::GetData, Some(Registration::Data("/root".into())));
        } else {
            s.wait();
            s.session.connected(s.now);
        }
        for chunk in chunks {
            s.receive(&chunk);
            let mut raw = BytesMut::from(&chunk[..]);
            s.session.handle_bytes(s.now, &mut raw);
        }
        s.session.disconnected(s.now);
        proptest::prop_assert!(s.session.poll_timeout().is_some() || s.session.is_dead());
    }

    #[test]
    fn broken_replies_are_errors(body: Vec<u8>) {
        let body = bytes::Bytes::from(body);
        let calls = Calls::default();
        let read = |result: Result<(), Error>| drop(result);
        let multi = calls.multi(&[Op::GetData { path: "/a".into() }]).unwrap();
        read(multi.reader.read(&calls.chroot, Ok(body.clone())).map(drop));
        let get = calls.get_data("/a", true).unwrap();
        read(get.reader.read(&calls.chroot, Ok(body.clone())).map(drop));
        let acl = calls.get_acl("/a").unwrap();
        read(acl.reader.read(&calls.chroot, Ok(body.clone())).map(drop));
        let children = calls.get_children("/a", false).unwrap();
        read(children.reader.read(&calls.chroot, Ok(body)).map(drop));
    }
}
