//! Our ZooKeeper client against Apache's servers and ours: every operation, watches and sessions across
//! restarts of the server, sessions taken up by another client.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use driver::zk_client::{
    ClientConfig, CreateMode, Error, Op, OpResult, OwnedAcl, SessionState, ZkClient, ZkEvent,
    ZkEvents,
};
use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::zk::{ZkConfig, ZkServer};
use proto::zk::ErrorCode;
use proto::zk::watch::EventType;

const OPEN: &[OwnedAcl] = &[OwnedAcl::OPEN];
const LIMIT: Duration = Duration::from_secs(60);

/// Java's server of that version, or ours.
fn start(config: &ZkConfig, java: Java, version: &str) -> ZkServer {
    match version {
        "ours" => config.start_ours(),
        version => config.start_java(java, version),
    }
}

async fn client(connect: &str) -> (ZkClient, ZkEvents) {
    let config = ClientConfig::new(connect, Duration::from_secs(20));
    let (client, events) = ZkClient::connect(config).unwrap();
    client.wait_connected(LIMIT).await.unwrap();
    (client, events)
}

/// The next event that is a watch's.
async fn watched(events: &mut ZkEvents) -> (EventType, String) {
    loop {
        let next = tokio::time::timeout(LIMIT, events.recv()).await;
        match next.expect("an event").expect("a session") {
            ZkEvent::Watch(event) => return (event.event, event.path),
            ZkEvent::State(_) => {}
        }
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Option<ErrorCode> {
    result.unwrap_err().code()
}

async fn basics(zk: &ZkClient) {
    let made = zk
        .create("/a", Some(b"1"), OPEN, CreateMode::Persistent)
        .await;
    assert_eq!(made.unwrap(), "/a");
    let sequential = CreateMode::PersistentSequential;
    let (path, stat) = zk.create2("/a/n-", None, OPEN, sequential).await.unwrap();
    assert_eq!((path.as_str(), stat.data_length), ("/a/n-0000000000", 0));
    let (data, stat) = zk.get_data("/a", false).await.unwrap();
    assert_eq!((data.unwrap().as_ref(), stat.cversion), (&b"1"[..], 1));
    let stat = zk.set_data("/a", Some(b"two"), 0).await.unwrap();
    assert_eq!((stat.version, stat.data_length), (1, 3));
    assert_eq!(
        code(zk.set_data("/a", None, 0).await),
        Some(ErrorCode::BadVersion)
    );
    assert_eq!(zk.exists("/nonode", false).await.unwrap(), None);
    assert_eq!(
        zk.get_children("/a", false).await.unwrap().0,
        ["n-0000000000"]
    );
    assert_eq!(zk.get_all_children_number("/a").await.unwrap(), 1);
    zk.create("/a/e", None, OPEN, CreateMode::Ephemeral)
        .await
        .unwrap();
    assert_eq!(zk.get_ephemerals("/").await.unwrap().len(), 1);
    zk.sync("/a").await.unwrap();
    assert_eq!(code(zk.delete("/a", -1).await), Some(ErrorCode::NotEmpty));
    let ttl = Duration::from_secs(600);
    let mode = CreateMode::PersistentWithTtl;
    zk.create_with_ttl("/ttl", None, OPEN, mode, ttl)
        .await
        .unwrap();
    zk.create("/container", None, OPEN, CreateMode::Container)
        .await
        .unwrap();
    let refused = zk.reconfig(None, Some("7"), None, -1).await;
    assert_eq!(code(refused), Some(ErrorCode::ReconfigDisabled));
    zk.get_config(false).await.unwrap();
}

async fn access(zk: &ZkClient) {
    zk.add_auth("digest", Some(b"user:password")).await;
    let acl = [OwnedAcl::new(31, "auth", "")];
    zk.create("/private", Some(b"x"), &acl, CreateMode::Persistent)
        .await
        .unwrap();
    let (acl, _) = zk.get_acl("/private").await.unwrap();
    assert_eq!((acl[0].perms, &*acl[0].scheme), (31, "digest"));
    assert!(acl[0].id.starts_with("user:"));
    let stat = zk.set_acl("/private", &acl, 0).await.unwrap();
    assert_eq!(stat.aversion, 1);
}

async fn multis(zk: &ZkClient) {
    let create = |path: &str, mode| Op::Create {
        path: path.to_owned(),
        data: Some("m".into()),
        acl: OPEN.to_vec(),
        mode,
        ttl: 60_000,
    };
    let check = |path: &str, version| Op::Check {
        path: path.to_owned(),
        version,
    };
    let results = zk
        .multi(&[
            create("/m", CreateMode::Persistent),
            create("/m/s-", CreateMode::PersistentSequential),
            create("/m/t", CreateMode::PersistentWithTtl),
            create("/m/c", CreateMode::Container),
            Op::SetData {
                path: "/m".into(),
                data: None,
                version: 0,
            },
            check("/m", 1),
            Op::Delete {
                path: "/m/t".into(),
                version: -1,
            },
        ])
        .await
        .unwrap();
    assert!(matches!(&results[1], OpResult::Created { path, .. } if path == "/m/s-0000000000"));
    assert!(matches!(
        &results[3],
        OpResult::Created { stat: Some(_), .. }
    ));
    assert!(matches!(&results[4], OpResult::Set(stat) if stat.version == 1));
    assert_eq!(results[5..], [OpResult::Checked, OpResult::Deleted]);
    let failed = zk
        .multi(&[check("/m", 1), check("/m", 9), check("/m", 1)])
        .await
        .unwrap_err();
    assert_eq!(
        failed,
        Error::Multi {
            code: ErrorCode::BadVersion,
            index: 1
        }
    );
    let get = |path: &str| Op::GetData {
        path: path.to_owned(),
    };
    let children = Op::GetChildren { path: "/m".into() };
    let read = zk
        .multi(&[get("/m/c"), get("/nonode"), children])
        .await
        .unwrap();
    assert!(matches!(&read[0], OpResult::Data { data: Some(data), .. } if data == "m"));
    assert_eq!(read[1], OpResult::Error(ErrorCode::NoNode));
    assert!(matches!(&read[2], OpResult::Children(names) if names.len() == 2));
}

async fn watches(zk: &ZkClient, events: &mut ZkEvents) {
    zk.create("/w", None, OPEN, CreateMode::Persistent)
        .await
        .unwrap();
    zk.get_data("/w", true).await.unwrap();
    zk.set_data("/w", None, -1).await.unwrap();
    zk.set_data("/w", None, -1).await.unwrap();
    zk.exists("/w/x", true).await.unwrap();
    zk.get_children("/w", true).await.unwrap();
    zk.create("/w/x", None, OPEN, CreateMode::Persistent)
        .await
        .unwrap();
    zk.add_watch("/w", true).await.unwrap();
    zk.delete("/w/x", -1).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(watched(events).await);
    }
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let expected = [
        (NodeDataChanged, "/w"),
        (NodeCreated, "/w/x"),
        (NodeChildrenChanged, "/w"),
        (NodeDeleted, "/w/x"),
    ];
    assert_eq!(seen, expected.map(|(event, path)| (event, path.to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_operation_on_every_server() {
    let java = java_or_skip!();
    for version in ["3.6.2", "3.9.5", "ours"] {
        let dir = tempfile::tempdir().unwrap();
        let config = ZkConfig::new(dir.path()).property("zookeeper.extendedTypesEnabled", "true");
        let server = start(&config, java, version);
        let (root, _events) = client(&server.connect_string()).await;
        root.create("/chroot", None, OPEN, CreateMode::Persistent)
            .await
            .unwrap();
        let (zk, mut events) = client(&format!("{}/chroot", server.connect_string())).await;
        basics(&zk).await;
        access(&zk).await;
        multis(&zk).await;
        watches(&zk, &mut events).await;
        if version != "3.6.2" {
            let who = zk.who_am_i().await.unwrap();
            assert!(
                who.contains(&("digest".to_owned(), "user".to_owned())),
                "{who:?}"
            );
        }
        // Closing is awaited: the ephemeral znode is gone when it returns.
        assert!(root.exists("/chroot/a/e", false).await.unwrap().is_some());
        zk.close().await;
        assert_eq!(root.exists("/chroot/a/e", false).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_of_3_4_and_watches_across_restarts() {
    let java = java_or_skip!();
    for version in ["3.4.14", "3.9.5", "ours"] {
        let dir = tempfile::tempdir().unwrap();
        let config = ZkConfig::new(dir.path());
        let mut server = start(&config, java, version);
        let (zk, mut events) = client(&server.connect_string()).await;
        let (other, _) = client(&server.connect_string()).await;
        zk.create("/e", None, OPEN, CreateMode::Ephemeral)
            .await
            .unwrap();
        for path in ["/d", "/c"] {
            zk.create(path, None, OPEN, CreateMode::Persistent)
                .await
                .unwrap();
        }
        zk.get_data("/d", true).await.unwrap();
        zk.get_children("/c", true).await.unwrap();
        zk.exists("/new", true).await.unwrap();
        let session = zk.session();
        server.process.kill();
        let lost = zk.get_data("/d", false).await;
        assert_eq!(code(lost), Some(ErrorCode::ConnectionLoss));
        drop(server);
        let server = start(&config, java, version);
        other.wait_connected(LIMIT).await.unwrap();
        zk.wait_connected(LIMIT).await.unwrap();
        assert_eq!(zk.session(), session);
        assert!(zk.exists("/e", false).await.unwrap().is_some());
        // The watches were set again: what happens now fires them.
        other.set_data("/d", Some(b"x"), -1).await.unwrap();
        other
            .create("/c/x", None, OPEN, CreateMode::Persistent)
            .await
            .unwrap();
        other
            .create("/new", None, OPEN, CreateMode::Persistent)
            .await
            .unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(watched(&mut events).await.1);
        }
        assert_eq!(seen, ["/d", "/c", "/new"], "{version}");
        zk.close().await;
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_is_taken_up_and_expires() {
    let java = java_or_skip!();
    for version in ["3.9.5", "ours"] {
        let dir = tempfile::tempdir().unwrap();
        let server = start(&ZkConfig::new(dir.path()), java, version);
        taken_up(&server.connect_string()).await;
    }
}

async fn taken_up(connect: &str) {
    let (first, mut first_events) = client(connect).await;
    first
        .create("/e", None, OPEN, CreateMode::Ephemeral)
        .await
        .unwrap();
    let resume = |session| ClientConfig {
        session: Some(session),
        ..ClientConfig::new(connect, Duration::from_secs(20))
    };
    let (second, _events) = ZkClient::connect(resume(first.session())).unwrap();
    second.wait_connected(LIMIT).await.unwrap();
    assert_eq!(second.session().id, first.session().id);
    let owner = second
        .exists("/e", false)
        .await
        .unwrap()
        .unwrap()
        .ephemeral_owner;
    assert_eq!(owner, first.session().id);
    // The first client lost its connection to the second; the session ends for both.
    second.close().await;
    let mut last = None;
    while let Some(event) = first_events.recv().await {
        last = Some(event);
    }
    assert_eq!(last, Some(ZkEvent::State(SessionState::Expired)));
    assert_eq!(
        code(first.exists("/e", false).await),
        Some(ErrorCode::SessionExpired)
    );
    let (late, mut events) = ZkClient::connect(resume(first.session())).unwrap();
    assert_eq!(
        code(late.wait_connected(LIMIT).await),
        Some(ErrorCode::SessionExpired)
    );
    assert_eq!(
        events.recv().await,
        Some(ZkEvent::State(SessionState::Expired))
    );
}
