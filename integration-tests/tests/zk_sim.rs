//! zk-server in the deterministic world: power cuts that drop unsynced writes lose nothing that was
//! acknowledged, sessions outlive stalls of the server, and the same seed gives the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test; prints the seed"
)]

use std::convert::Infallible;

use integration_tests::disk::SimDisk;
use integration_tests::rng::{Rng, seed};
use integration_tests::sim::{Power, SimConn, ZkWorld};
use integration_tests::zk::oracle::{Acls, Request};
use integration_tests::zk::{change, frame};
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::op::xid;
use proto::zk::request::ConnectRequest;
use proto::zk::response::{ConnectResponse, GetChildrenResponse, GetDataResponse, ReplyHeader};
use zk_server::core::Settings;
use zk_server::store::StoreConfig;
use zk_server::units::Now;

const SEEDS: u64 = 60;
const LIVES: usize = 6;
const WRITERS: usize = 3;
const KEPT: u64 = 5;

fn files() -> StoreConfig {
    StoreConfig {
        pre_alloc: 4096,
        ..StoreConfig::new("/data")
    }
}

fn settings() -> Settings {
    Settings {
        tick_time_ms: 2000,
        min_session_timeout_ms: 4000,
        max_session_timeout_ms: 40_000,
        snap_count: 30,
        ..Settings::default()
    }
}

fn morning() -> Now {
    Now {
        mono_us: 5_000_000,
        wall_ms: 1_700_000_000_000,
    }
}

/// The reply to a request that is sent alone: its error code and its body.
fn call(world: &mut ZkWorld, conn: SimConn, request: &Request) -> Result<(i32, Vec<u8>), Power> {
    world.send(conn, &frame(7, request.op, &request.body));
    world.settle()?;
    let replies = world.receive(conn);
    let reply = replies.last().expect("a reply");
    let mut r = Reader::new(reply);
    let header = ReplyHeader::read(&mut r).unwrap();
    Ok((header.err, r.rest().to_vec()))
}

/// What each writer has sent, and what was acknowledged.
#[derive(Default, Clone, Copy)]
struct Writer {
    sent: u64,
    acknowledged: u64,
}

/// Checks what a start has found, then writes until the power fails.
fn live(
    disk: &SimDisk,
    rng: &mut Rng,
    writers: &mut [Writer],
    trace: &mut Vec<u64>,
) -> Result<Infallible, Power> {
    let mut world = ZkWorld::start(disk, files(), settings(), morning())?;
    let mut conns = Vec::new();
    for (i, writer) in writers.iter_mut().enumerate() {
        let (conn, _) = world.session(40_000)?;
        conns.push(conn);
        check(&mut world, conn, i, writer)?;
    }
    loop {
        let i = rng.below(WRITERS);
        if writers[i].sent < writers[i].acknowledged + 8 && rng.chance(70) {
            writers[i].sent += 1;
            let request = change(&format!("/w{i}"), writers[i].sent, KEPT, None);
            world.send(conns[i], &frame(1, request.op, &request.body));
        }
        for _ in 0..rng.below(4) {
            world.step()?;
        }
        if rng.chance(10) {
            world.sync()?;
        }
        for (writer, &conn) in writers.iter_mut().zip(&conns) {
            for reply in world.receive(conn) {
                assert_eq!(ReplyHeader::from_bytes(&reply).unwrap().err, 0);
                writer.acknowledged += 1;
            }
        }
        trace.push(world.fingerprint());
    }
}

fn check(world: &mut ZkWorld, conn: SimConn, i: usize, writer: &mut Writer) -> Result<(), Power> {
    let home = format!("/w{i}");
    let (err, body) = call(world, conn, &Request::read(OpCode::GetData, &home, false))?;
    if err != 0 {
        assert_eq!(writer.acknowledged, 0, "{home} is gone");
        let create = Request::create(OpCode::Create, &home, Some(b"0"), Acls::Open, 0);
        assert_eq!(call(world, conn, &create)?.0, 0);
        *writer = Writer::default();
        return Ok(());
    }
    let data = GetDataResponse::from_bytes(&body).unwrap().data.unwrap();
    let k: u64 = std::str::from_utf8(data).unwrap().parse().unwrap();
    assert!(
        (writer.acknowledged..=writer.sent).contains(&k),
        "{home}: {} acknowledged, {} sent, {k} found",
        writer.acknowledged,
        writer.sent
    );
    let (_, body) = call(
        world,
        conn,
        &Request::read(OpCode::GetChildren, &home, false),
    )?;
    let mut children = GetChildrenResponse::from_bytes(&body).unwrap().children;
    children.sort_unstable();
    let mut expected: Vec<String> = (k.saturating_sub(KEPT) + 1..=k)
        .map(|n| format!("n{n}"))
        .collect();
    expected.sort_unstable();
    assert_eq!(children, expected, "{home} after change {k}");
    *writer = Writer {
        sent: k,
        acknowledged: k,
    };
    Ok(())
}

/// Several lives of one server; the fingerprints of all that clients saw.
fn history(seed: u64) -> (Vec<u64>, u64) {
    let mut rng = Rng::new(seed);
    let disk = SimDisk::new(seed);
    let mut writers = [Writer::default(); WRITERS];
    let mut trace = Vec::new();
    for _ in 0..LIVES {
        disk.fail_power_after(1 + rng.below(400) as u64);
        let Err(down) = live(&disk, &mut rng, &mut writers, &mut trace);
        assert!(!disk.powered(), "seed {seed}: {down}");
        disk.power_cycle();
    }
    (trace, writers.iter().map(|w| w.acknowledged).sum())
}

#[test]
fn power_cuts_lose_nothing_acknowledged() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let total: u64 = (0..SEEDS).map(|i| history(seed.wrapping_add(i)).1).sum();
    println!("{total} changes acknowledged and kept");
    assert!(total > SEEDS * 10, "hardly anything was written: {total}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert!(history(42) == history(42));
    assert!(history(42) != history(43));
}

fn ping(world: &mut ZkWorld, conn: SimConn) {
    world.send(conn, &frame(xid::PING, OpCode::Ping.code(), &[]));
}

#[test]
fn a_session_expires_when_its_client_is_silent_but_not_when_the_server_was() {
    let disk = SimDisk::new(1);
    let mut world = ZkWorld::start(&disk, files(), settings(), morning()).unwrap();
    let (observer, _) = world.session(40_000).unwrap();
    let (conn, session) = world.session(4000).unwrap();
    let create = Request::create(OpCode::Create, "/mine", None, Acls::Open, 1);
    assert_eq!(call(&mut world, conn, &create).unwrap().0, 0);
    let there = Request::read(OpCode::Exists, "/mine", false);

    // The whole server stands still for a minute: nobody could have pinged it.
    world.stall(60_000);
    world.settle().unwrap();
    assert_eq!(call(&mut world, observer, &there).unwrap().0, 0);
    assert!(!world.closed(conn));

    // The client drops out: the session ends between its timeout and two ticks more.
    world.disconnect(conn);
    for _ in 0..3 {
        world.sleep(1000).unwrap();
        ping(&mut world, observer);
    }
    assert_eq!(call(&mut world, observer, &there).unwrap().0, 0);
    for _ in 0..6 {
        world.sleep(1000).unwrap();
        ping(&mut world, observer);
    }
    world.settle().unwrap();
    assert_ne!(call(&mut world, observer, &there).unwrap().0, 0);
    let late = world
        .connect(&ConnectRequest {
            timeout: 4000,
            session_id: session,
            password: Some(&[1; 16]),
            ..ConnectRequest::default()
        })
        .unwrap();
    let frames = world.receive(late);
    assert_eq!(ConnectResponse::from_bytes(&frames[0]).unwrap().timeout, 0);
}
