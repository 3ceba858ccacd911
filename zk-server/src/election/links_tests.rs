//! Who dials, who is closed, and what the operator reads.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use proto::quorum::{Address, InitialMessage};

use super::links::{Links, Order, Wire};
use crate::units::Now;

fn at(ms: u64) -> Now {
    Now {
        mono_us: ms * 1000,
        wall_ms: 0,
    }
}

fn address(id: i64) -> Address {
    Address {
        host: format!("h{id}"),
        port: 3888,
    }
}

fn links(me: i64) -> Links {
    let mut links = Links::new(me);
    links.configure((1..=3).map(|id| (id, vec![address(id)])).collect());
    links
}

fn from(server: i64) -> InitialMessage {
    InitialMessage {
        server,
        addresses: vec![address(server)],
    }
}

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn message() -> Bytes {
    Bytes::from_static(b"vote")
}

fn orders(f: impl FnOnce(&mut Vec<Order>)) -> Vec<Order> {
    let mut out = Vec::new();
    f(&mut out);
    out
}

fn dial(server: i64) -> Order {
    Order::Dial {
        server,
        addresses: vec![address(server)],
    }
}

fn kept(wire: Wire, server: i64) -> [Order; 2] {
    [
        Order::Keep { wire, server },
        Order::Reach {
            server,
            gone: false,
        },
    ]
}

#[test]
fn the_higher_id_dials_and_keeps() {
    let mut two = links(2);
    let out = orders(|out| two.send(1, message(), true, at(0), out));
    assert_eq!(out, [dial(1)]);
    let out = orders(|out| two.send(1, message(), true, at(1), out));
    assert_eq!(out, [], "one try at a time");
    let out = orders(|out| two.dialled(1, Wire(7), ip(1), at(2), out));
    assert_eq!(out, kept(Wire(7), 1));
    let out = orders(|out| two.send(1, message(), true, at(3), out));
    let write = Order::Write {
        wire: Wire(7),
        message: message(),
    };
    assert_eq!(out, [write]);
}

#[test]
fn the_lower_id_knocks_and_is_dialled_back() {
    let mut one = links(1);
    let out = orders(|out| one.send(2, message(), true, at(0), out));
    assert_eq!(out, [dial(2)]);
    let out = orders(|out| one.dialled(2, Wire(1), ip(2), at(1), out));
    assert_eq!(out, [Order::Close { wire: Wire(1) }]);
    let mut two = links(2);
    let out = orders(|out| two.accepted(Wire(1), ip(1), from(1), at(1), out));
    assert_eq!(out, [Order::Close { wire: Wire(1) }, dial(1)]);
    let out = orders(|out| one.accepted(Wire(2), ip(2), from(2), at(2), out));
    assert_eq!(out, kept(Wire(2), 2));
    // A second connection takes the place of the first.
    let out = orders(|out| one.accepted(Wire(3), ip(2), from(2), at(3), out));
    assert_eq!(out[0], Order::Close { wire: Wire(2) });
    let out = orders(|out| one.closed(Wire(2), at(4), out));
    assert_eq!(out, [], "the old one is nobody's");
}

#[test]
fn a_server_that_does_not_dial_back_is_tried_again() {
    let mut one = links(1);
    orders(|out| one.send(2, message(), true, at(0), out));
    orders(|out| one.dialled(2, Wire(1), ip(2), at(1), out));
    let again = one.next_deadline().unwrap();
    assert_eq!(again, 2_001_000);
    assert_eq!(orders(|out| one.tick(at(2001), out)), [dial(2)]);
}

#[test]
fn who_is_out_of_reach_is_told_about_once() {
    let mut three = links(3);
    orders(|out| three.send(1, message(), true, at(0), out));
    let why = "h1:3888: Connection refused";
    let out = orders(|out| three.dial_failed(1, true, why, at(1), out));
    assert_eq!(
        out,
        [
            Order::Warn(format!(
                "Cannot open channel to 1 at election address {why}"
            )),
            Order::Reach {
                server: 1,
                gone: true
            },
        ]
    );
    let (mut said, mut tries) = (0, 0);
    for ms in 2..130_000 {
        if three.next_deadline().is_some_and(|due| due <= ms * 1000) {
            assert_eq!(orders(|out| three.tick(at(ms), out)), [dial(1)]);
            let out = orders(|out| three.dial_failed(1, true, why, at(ms), out));
            (said, tries) = (said + out.len(), tries + 1);
        }
    }
    assert_eq!(said, 2, "once a minute");
    assert!((60..80).contains(&tries), "{tries}");
    // It dials, so it runs; but it has told an address at which it is not.
    for second in [130, 132] {
        let out = orders(|out| three.accepted(Wire(9), ip(1), from(1), at(second * 1000), out));
        let reach = |gone| Order::Reach { server: 1, gone };
        assert_eq!(out, [reach(false), Order::Close { wire: Wire(9) }, dial(1)]);
        let out = orders(|out| three.dial_failed(1, true, why, at(second * 1000), out));
        assert_eq!(out, [reach(true)], "told already");
    }
    let out = orders(|out| three.dialled(1, Wire(10), ip(1), at(133_000), out));
    assert!(
        matches!(&out[0], Order::Info(text) if text.contains("reach again")),
        "{out:?}"
    );
}

#[test]
fn a_lost_connection_is_made_anew_while_looking() {
    let mut three = links(3);
    for looking in [true, false] {
        orders(|out| three.send(1, message(), looking, at(0), out));
        orders(|out| three.dialled(1, Wire(1), ip(1), at(0), out));
        orders(|out| three.send(1, message(), looking, at(1), out));
        let out = orders(|out| three.closed(Wire(1), at(2), out));
        assert_eq!(!out.is_empty(), looking);
        orders(|out| three.dialled(1, Wire(2), ip(1), at(0), out));
        orders(|out| three.closed(Wire(2), at(2), out));
        three = links(3);
    }
}

#[test]
fn an_id_that_is_given_twice_names_both() {
    let mut one = links(1);
    let mut other = from(1);
    other.addresses[0].host = "elsewhere".into();
    let out = orders(|out| one.accepted(Wire(1), ip(9), other.clone(), at(0), out));
    assert_eq!(out[0], Order::Close { wire: Wire(1) });
    let Order::Warn(text) = &out[1] else {
        panic!("{out:?}")
    };
    for part in [
        "our own ID",
        "10.0.0.9",
        "elsewhere:3888",
        "h1:3888",
        "myid",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let out = orders(|out| one.accepted(Wire(2), ip(9), other, at(1), out));
    assert_eq!(out, [Order::Close { wire: Wire(2) }], "told once");
    orders(|out| one.accepted(Wire(3), ip(3), from(3), at(2), out));
    let out = orders(|out| one.accepted(Wire(4), ip(4), from(3), at(3), out));
    assert!(
        matches!(&out[0], Order::Warn(text) if text.contains("Two hosts say that they are server 3: 10.0.0.3")),
        "{out:?}"
    );
}

#[test]
fn servers_of_no_configuration_are_heard_up_to_a_number() {
    let mut five = Links::new(500);
    five.configure(BTreeMap::from([(500, vec![address(500)])]));
    let out = orders(|out| five.accepted(Wire(1), ip(1), from(4), at(0), out));
    assert_eq!(out, [Order::Close { wire: Wire(1) }, dial(4)], "a joiner");
    let observer = InitialMessage {
        server: i64::MAX,
        addresses: Vec::new(),
    };
    let out = orders(|out| five.accepted(Wire(2), ip(1), observer, at(0), out));
    assert_eq!(out, kept(Wire(2), -1));
    let out = orders(|out| {
        for id in 0..100 {
            five.accepted(Wire(10 + id as u64), ip(1), from(600 + id), at(0), out);
        }
    });
    let told = |out: &[Order]| {
        let crowd = |order: &&Order| matches!(order, Order::Warn(text) if text.contains("stands in no configuration"));
        out.iter().filter(crowd).count()
    };
    assert_eq!(told(&out), 1, "not for each");
    let out = orders(|out| five.accepted(Wire(900), ip(1), from(900), at(60_000), out));
    assert_eq!(out[0], Order::Close { wire: Wire(900) });
    assert_eq!(told(&out), 1, "once a minute");
    let mut wildcard = from(499);
    wildcard.addresses[0].host = "0.0.0.0".into();
    let mut alone = Links::new(500);
    let out = orders(|out| alone.accepted(Wire(5), ip(1), wildcard, at(0), out));
    assert_eq!(out, [Order::Close { wire: Wire(5) }], "nowhere to dial");
}

#[test]
fn what_is_known_of_the_others() {
    let mut links = links(2);
    let mut out = Vec::new();
    links.send(1, message(), true, at(0), &mut out);
    links.dial_failed(1, true, "h1:3888: refused", at(5), &mut out);
    links.accepted(Wire(3), ip(3), from(3), at(6), &mut out);
    links.heard(3, at(7), &mut out);
    let contacts = links.contacts();
    assert_eq!(contacts.len(), 2, "of the configuration, without this one");
    assert_eq!(contacts[0].server, 1);
    assert_eq!(contacts[0].addresses, [address(1)]);
    assert!(!contacts[0].connected);
    let why = "h1:3888: refused".to_owned();
    assert_eq!(contacts[0].failing, Some((5000, why)));
    assert!(contacts[1].connected);
    assert_eq!(contacts[1].heard_at, Some(7000));
    assert_eq!(contacts[1].failing, None);
}

#[test]
fn its_own_number_from_elsewhere_is_told_once_a_minute() {
    let mut links = links(2);
    let mut told = |ms| {
        let out = orders(|out| links.accepted(Wire(ms), ip(9), from(2), at(ms), out));
        assert_eq!(out[0], Order::Close { wire: Wire(ms) });
        out.len() == 2
    };
    assert!(told(1) && !told(2) && !told(60_000) && told(60_001));
}

#[test]
fn connections_that_end_over_and_over_are_told_of() {
    let mut links = links(2);
    let mut out = Vec::new();
    let mut round = |n: u64, ms| {
        links.accepted(Wire(n), ip(3), from(3), at(ms), &mut out);
        links.closed(Wire(n), at(ms + 100), &mut out);
    };
    for n in 1..=3 {
        round(n, n * 1000);
    }
    // one that lasts
    links.accepted(Wire(9), ip(3), from(3), at(5000), &mut out);
    links.closed(Wire(9), at(11_000), &mut out);
    let told = |out: &[Order]| {
        let closed = |order: &&Order| matches!(order, Order::Warn(text) if text.contains("Server 3 has closed 4 connections in a row"));
        out.iter().filter(closed).count()
    };
    assert_eq!(told(&out), 0);
    for n in 10..=20 {
        links.accepted(Wire(n), ip(3), from(3), at(10_000 + n * 1000), &mut out);
        links.closed(Wire(n), at(10_100 + n * 1000), &mut out);
    }
    assert_eq!(told(&out), 1);
}

#[test]
fn of_the_addresses_that_a_server_names_a_few_are_dialled() {
    let mut links = links(3);
    let many = InitialMessage {
        server: 2,
        addresses: (10..500).map(address).collect(),
    };
    let out = orders(|out| links.accepted(Wire(1), ip(2), many, at(0), out));
    let dialled = out.iter().find_map(|order| match order {
        Order::Dial { addresses, .. } => Some(addresses.len()),
        _ => None,
    });
    assert_eq!(dialled, Some(9), "its own line and eight");
}

#[test]
fn a_server_that_a_configuration_does_not_name_still_says_where_it_listens() {
    let mut links = links(2);
    let before = links.initial().addresses;
    assert!(!before.is_empty());
    links.configure(BTreeMap::from([(1, vec![address(1)])]));
    assert_eq!(links.initial().addresses, before);
}
