//! Who may change the configuration of the ensemble, to what, and what everybody sees of it.

use std::collections::BTreeSet;

use super::ensemble::{Ensemble, Member};
use super::*;
use crate::core::io::FromQuorum;
use crate::quorum::View;

const CONFIG: &str = "/zookeeper/config";
const THREE: &str = "server.1=a:1:2:participant;0.0.0.0:2181
server.2=b:1:2:participant;0.0.0.0:2181
server.3=c:1:2:participant;0.0.0.0:2181
version=100000000";

fn view(text: &str) -> View {
    View::new(crate::config::QuorumConfig::from_text("test", text.as_bytes(), false).unwrap())
}

fn settings() -> Settings {
    let mut settings = Settings {
        reconfig_enabled: true,
        ..Settings::default()
    };
    settings.providers.skip_acl = true;
    settings
}

fn ensemble(settings: Settings, synced: &[i64]) -> Ensemble {
    let mut e = Ensemble::with(settings, 3);
    tell(&mut e, THREE, THREE);
    let synced: BTreeSet<i64> = synced.iter().copied().collect();
    e.input(0, Input::Quorum(FromQuorum::SyncedLearners(synced)));
    e
}

fn tell(e: &mut Ensemble, active: &str, seen: &str) {
    let (active, seen) = (view(active), view(seen));
    e.input(0, Input::Quorum(FromQuorum::Views { active, seen }));
}

#[derive(Default, Clone, Copy)]
struct Asked<'a> {
    joining: Option<&'a str>,
    leaving: Option<&'a str>,
    members: Option<&'a str>,
    from: Option<i64>,
}

fn reconfig(e: &mut Ensemble, m: &mut Member, asked: Asked<'_>) -> Result<String, ErrorCode> {
    let body = ReconfigRequest {
        joining_servers: asked.joining,
        leaving_servers: asked.leaving,
        new_members: asked.members,
        cur_config_id: asked.from.unwrap_or(-1),
    };
    let reply = e.call(m, OpCode::Reconfig, &body.to_vec()).ok()?;
    let reply = GetDataResponse::from_bytes(&reply).unwrap();
    assert_eq!(reply.stat.version, -1);
    Ok(String::from_utf8(reply.data.unwrap().to_vec()).unwrap())
}

fn joins(line: &str) -> Asked<'_> {
    Asked {
        joining: Some(line),
        ..Asked::default()
    }
}

#[test]
fn servers_join_leave_and_change() {
    for through in 0..4 {
        let mut e = ensemble(settings(), &[2, 3, 4]);
        let mut m = e.client(through);
        let mut watcher = e.client(2);
        let look = PathWatchRequest {
            path: CONFIG,
            watch: true,
        }
        .to_vec();
        assert!(e.call(&mut watcher, OpCode::GetData, &look).ok().is_ok());
        let asked = Asked {
            joining: Some("server.4=d:1:2;2181, server.3=c:1:2:observer;2181"),
            leaving: Some("1"),
            from: Some(1 << 32),
            ..Asked::default()
        };
        let text = reconfig(&mut e, &mut m, asked).unwrap();
        let (zxid, next) = e.views[0].clone();
        assert_eq!(
            text,
            format!(
                "server.2=b:1:2:participant;0.0.0.0:2181\n\
                 server.3=c:1:2:observer;0.0.0.0:2181\n\
                 server.4=d:1:2:participant;0.0.0.0:2181\nversion={:x}",
                zxid.0
            )
        );
        assert_eq!(
            (next.version(), next.config().to_string()),
            (zxid.0, text.clone())
        );
        assert_eq!(e.replies(&watcher)[0].event(), (3, CONFIG.to_owned()));
        e.check_equal();
        // Until the new one is in force there is no other.
        let again = reconfig(&mut e, &mut m, joins("server.5=e:1:2;2181"));
        assert_eq!(again, Err(ErrorCode::ReconfigInProgress));
        tell(&mut e, &text, &text);
        let old = Asked {
            from: Some(1 << 32),
            ..joins("server.5=e:1:2;2181")
        };
        assert_eq!(reconfig(&mut e, &mut m, old), Err(ErrorCode::BadVersion));
        let full = Asked {
            members: Some("server.2=b:1:2;2181,server.4=d:1:2;2181"),
            ..Asked::default()
        };
        let text = reconfig(&mut e, &mut m, full).unwrap();
        assert!(text.starts_with("server.2=b:1:2:participant;0.0.0.0:2181\nserver.4=d"));
        e.check_equal();
    }
}

#[test]
fn what_is_refused_and_why() {
    let mut e = ensemble(settings(), &[2, 3]);
    let mut m = e.client(1);
    let leaves = |ids| Asked {
        leaving: Some(ids),
        ..Asked::default()
    };
    let members = |lines| Asked {
        members: Some(lines),
        ..Asked::default()
    };
    for (asked, err) in [
        (joins("server.4"), ErrorCode::BadArguments),
        (joins("server.x=d:1:2;2181"), ErrorCode::MarshallingError),
        (joins("server.4=d:1;2181"), ErrorCode::BadArguments),
        (joins("server.4=d:1:2"), ErrorCode::BadArguments),
        (joins("server.4=A:1:9;2181"), ErrorCode::BadArguments),
        (leaves("two"), ErrorCode::MarshallingError),
        (leaves("2,3"), ErrorCode::BadArguments),
        (members("what"), ErrorCode::BadArguments),
        (members(""), ErrorCode::BadArguments),
        (
            members("server.1=a:1:2:observer;2181"),
            ErrorCode::MarshallingError,
        ),
        (
            members("server.7=x:1:2;1,server.8=y:1:2;1,server.9=z:1:2;1"),
            ErrorCode::NewConfigNoQuorum,
        ),
    ] {
        let done = reconfig(&mut e, &mut m, asked);
        assert_eq!(done, Err(err), "{:?} {:?}", asked.joining, asked.members);
    }
    assert!(e.views.is_empty());
    e.check_equal();
}

#[test]
fn only_those_who_may_write_the_node() {
    let settings = Settings {
        reconfig_enabled: true,
        ..Settings::default()
    };
    let mut e = ensemble(settings, &[2, 3]);
    let mut m = e.client(1);
    let asked = joins("server.4=d:1:2;2181");
    assert_eq!(reconfig(&mut e, &mut m, asked), Err(ErrorCode::NoAuth));
    let mut e = ensemble(Settings::default(), &[2, 3]);
    let mut m = e.client(1);
    assert_eq!(
        reconfig(&mut e, &mut m, asked),
        Err(ErrorCode::ReconfigDisabled)
    );
}

#[test]
fn the_configuration_of_a_file_is_set_without_a_transaction() {
    let mut db = Database::new(EphemeralTypes::default(), true);
    let digest = db.tree().digest();
    let version = 1 << 32;
    db.set_config(THREE.as_bytes(), version, 77);
    let node = db.tree().node(db.tree().find(CONFIG).unwrap());
    assert_eq!(node.data(), Some(THREE.as_bytes()));
    let stat = db.tree().stat(node);
    assert_eq!((stat.version, stat.mzxid, stat.mtime), (-1, version, 77));
    assert_eq!((db.last_zxid(), db.tree().digest()), (Zxid(0), digest));
}
