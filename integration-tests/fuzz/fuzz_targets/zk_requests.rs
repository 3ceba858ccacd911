//! Frames of a client into the server core: any bytes lead to replies or to a closed connection.
#![no_main]
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use zk_server::core::io::Input;
use zk_server::units::{ConnId, Now};
use zk_server::core::server::Server;
use zk_server::core::settings::Settings;
use zk_server::tree::Database;

fuzz_target!(|data: &[u8]| {
    let now = Now { mono_us: 1, wall_ms: 1 };
    let database = Database::new(Default::default(), true);
    let mut server = Server::new(Settings::default(), database, now);
    let mut out = Vec::new();
    let conn = ConnId(1);
    let peer = ([127, 0, 0, 1], 1).into();
    server.handle(now, Input::Connected { conn, peer }, &mut out);
    // A new session, then the input as its requests.
    let mut connect = vec![0, 0, 0, 45];
    connect.extend_from_slice(&[0; 12]);
    connect.extend_from_slice(&40_000i32.to_be_bytes());
    connect.extend_from_slice(&[0; 8]);
    connect.extend_from_slice(&16i32.to_be_bytes());
    connect.extend_from_slice(&[0; 17]);
    server.handle(now, Input::Frames { conn, frames: connect.into() }, &mut out);
    for chunk in data.chunks(256) {
        let mut frame = (chunk.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(chunk);
        server.handle(now, Input::Frames { conn, frames: Bytes::from(frame) }, &mut out);
        // Whatever was to be logged is on disk at once.
        let last = out.iter().rev().find_map(|o| match o {
            zk_server::core::io::Output::Append { zxid, .. } => Some(*zxid),
            _ => None,
        });
        out.clear();
        if let Some(zxid) = last {
            server.handle(now, Input::Logged { zxid }, &mut out);
        }
    }
});
