//! Elections as operators know them, step by step.

use bytes::Bytes;
use proto::quorum::{Notification, PeerState};

use super::testing::{Table, view, voters};
use super::{Basis, Effect, Election, Settings};
use crate::units::Now;

#[test]
fn the_longest_log_leads_then_the_highest_id() {
    let mut table = Table::new(voters(1..=3));
    for (id, zxid) in [(1, 5), (2, 9), (3, 7)] {
        table.start(id, 4, zxid);
    }
    assert!(
        table.decide(1000) < 10,
        "all have voted: nothing to wait for"
    );
    assert_eq!(table.leader(), 2);

    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 4, 5);
    }
    table.decide(1000);
    assert_eq!(table.leader(), 3);
}

#[test]
fn a_later_epoch_counts_before_a_longer_log() {
    let mut table = Table::new(voters(1..=3));
    table.start(1, 3, 0x2_0000_0001);
    table.start(2, 2, 0x2_0000_00ff);
    table.start(3, 2, 0x2_0000_00ff);
    table.decide(1000);
    assert_eq!(table.leader(), 1);
}

#[test]
fn two_of_three_wait_for_a_third_that_was_never_heard_of() {
    let mut table = Table::new(voters(1..=3));
    table.start(1, 1, 1);
    table.start(2, 1, 1);
    let took = table.decide(1000);
    assert!((200..250).contains(&took), "{took}");
    assert_eq!(table.leader(), 2);

    let mut table = Table::new(voters(1..=3));
    table.start(1, 1, 1);
    table.start(2, 1, 1);
    for id in [1, 2] {
        table.with(id, |e, now, out| e.out_of_reach(3, true, now, out));
    }
    assert!(table.decide(1000) >= 200, "it may be starting");
    assert_eq!(table.leader(), 2);
}

#[test]
fn one_of_three_decides_nothing() {
    let mut table = Table::new(voters(1..=3));
    table.start(3, 1, 1);
    table.with(3, |e, now, out| e.out_of_reach(1, true, now, out));
    table.with(3, |e, now, out| e.out_of_reach(2, true, now, out));
    table.run_for(600_000);
    assert_eq!(table.states(), [(3, PeerState::Looking, 3)]);
    // 200, 400 ... 60000 ms apart
    assert!((20..60).contains(&table.sent), "{}", table.sent);
}

#[test]
fn one_of_one_leads_at_once() {
    let mut table = Table::new(voters([1]));
    table.start(1, 1, 1);
    assert_eq!(table.states(), [(1, PeerState::Leading, 1)]);
}

#[test]
fn a_late_server_joins_who_leads_even_with_a_longer_log() {
    let mut table = Table::new(voters(1..=3));
    table.start(1, 1, 1);
    table.start(2, 1, 1);
    table.decide(1000);
    table.run_for(10);
    for id in [1, 2] {
        table.with(id, |e, _, _| e.set_epoch(2));
    }
    table.start(3, 1, 9);
    let took = table.decide(1000);
    assert!(took < 10, "{took}");
    assert_eq!(table.leader(), 2);
    assert_eq!(table.servers[&3].vote().peer_epoch, 2);
    assert_eq!(table.looks_again, [(1, 3), (2, 3)]);
}

#[test]
fn a_late_server_joins_while_epochs_are_being_written() {
    let mut table = Table::new(voters(1..=3));
    table.start(1, 1, 1);
    table.start(2, 1, 1);
    table.decide(1000);
    table.with(2, |e, _, _| e.set_epoch(2));
    table.start(3, 1, 1);
    assert!(table.decide(1000) < 10);
    assert_eq!(table.leader(), 2);
}

#[test]
fn the_loss_of_the_leader_starts_a_new_round() {
    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    assert_eq!(table.leader(), 3);
    table.stop(3);
    table.bases.insert(
        1,
        Basis {
            zxid: 0x2_0000_0004,
            epoch: 2,
        },
    );
    table.bases.insert(
        2,
        Basis {
            zxid: 0x2_0000_0003,
            epoch: 2,
        },
    );
    table.look(1);
    // The other one has not noticed yet: its vote for the dead leader elects nobody.
    table.run_for(150);
    assert_eq!(table.servers[&1].state(), PeerState::Looking);
    table.look(2);
    let took = table.decide(2000);
    assert!(took < 450, "{took}");
    assert_eq!(table.leader(), 1);
    table.start(3, 2, 0x2_0000_0004);
    table.decide(1000);
    assert_eq!(table.leader(), 1);
}

#[test]
fn who_notices_the_loss_later_costs_no_interval() {
    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    table.run_for(10);
    table.stop(3);
    for (id, late) in [(2, 0), (1, 12)] {
        table.run_for(late);
        table.look(id);
        table.with(id, |e, now, out| e.out_of_reach(3, true, now, out));
    }
    let took = table.decide(1000);
    assert!(took < 5, "{took}");
    assert_eq!(table.leader(), 2);
}

#[test]
fn a_leader_that_restarts_is_not_elected_by_votes_of_yesterday() {
    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    table.look(1);
    table.look(2);
    table.stop(3);
    table.run_for(1);
    table.stop(1);
    table.stop(2);
    // Both follow 3 in round 2; 3 restarts in round 1.
    for id in [1, 2] {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    table.start(3, 1, 1);
    table.decide(1000);
    assert_eq!(table.leader(), 2);
}

#[test]
fn a_vote_that_got_lost_is_sent_again() {
    let mut table = Table::new(voters(1..=3));
    let mut lost = 0;
    table.delay = Box::new(move |_, _| {
        lost += 1;
        (lost > 12).then_some(500)
    });
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    let took = table.decide(5000);
    assert!(took < 1500, "{took}");
    assert_eq!(table.leader(), 3);
}

#[test]
fn observers_find_the_leader_and_never_count() {
    let three =
        "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\nserver.4=d:1:2:observer\n";
    let mut table = Table::new(view(three));
    table.start(3, 9, 0x9_0000_0000);
    table.start(4, 9, 0x9_0000_0000);
    table.start(1, 1, 1);
    table.run_for(5000);
    assert!(!table.decided(), "{:?}", table.states());
    table.start(2, 1, 1);
    table.decide(60_000);
    assert_eq!(table.leader(), 2);
    assert_eq!(table.servers[&3].state(), PeerState::Observing);
}

#[test]
fn a_server_without_weight_never_leads() {
    let lines = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n\
                 group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0\n";
    let mut table = Table::new(view(lines));
    for id in 1..=3 {
        table.start(id, 1, id);
    }
    table.decide(1000);
    assert_eq!(table.leader(), 2);
}

#[test]
fn a_configuration_that_is_proposed_has_a_say() {
    let mut table = Table::new(voters(1..=3));
    let next = voters([1, 4, 5]).with_version(7);
    for id in [1, 2, 3, 4] {
        table.start(id, 1, 1);
        let (active, next) = (table.view.clone(), next.clone());
        table.with(id, |e, _, _| e.set_views(active, Some(next)));
    }
    for id in 1..=4 {
        table.look(id);
    }
    table.decide(2000);
    assert_eq!(table.leader(), 3, "4 has a vote and cannot lead yet");
    for id in [1, 2, 3] {
        table.look(id);
    }
    table.stop(4);
    table.run_for(5000);
    assert_eq!(table.servers[&3].state(), PeerState::Looking);
}

#[test]
fn a_newer_configuration_in_a_notification_is_told() {
    let now = Now::default();
    let basis = Basis { zxid: 1, epoch: 1 };
    let settings = Settings {
        reconfig: true,
        ..Settings::default()
    };
    let mut election = Election::new(1, settings, voters(1..=3), basis);
    let mut out = Vec::new();
    election.look(basis, now, &mut out);
    let newer = voters(1..=4).with_version(9);
    let mut notification = Notification {
        state: PeerState::Looking,
        leader: 3,
        zxid: 1,
        round: 1,
        peer_epoch: 1,
        version: 2,
        config: newer.text().clone(),
    };
    out.clear();
    election.notification(3, &notification, now, &mut out);
    assert_eq!(
        out,
        [Effect::Newer(newer.clone())],
        "and no vote is counted"
    );
    election.set_views(newer, None);
    election.look(basis, now, &mut out);
    out.clear();
    notification.config = Bytes::from_static(b"nonsense");
    notification.round = 2;
    election.notification(3, &notification, now, &mut out);
    assert_eq!(
        election.vote().leader,
        3,
        "a text that can't be read costs no vote"
    );
    let off = Settings::default();
    let mut election = Election::new(1, off, voters(1..=3), basis);
    election.look(basis, now, &mut out);
    out.clear();
    notification.config = voters([1]).with_version(9).text().clone();
    election.notification(3, &notification, now, &mut out);
    assert!(!out.iter().any(|effect| matches!(effect, Effect::Newer(_))));
}

#[test]
fn strangers_are_answered_and_not_for_ever() {
    let mut table = Table::new(voters([1, 2]));
    table.start(1, 1, 1);
    table.view = voters([8, 9]);
    table.start(8, 1, 1);
    let notification = Notification {
        state: PeerState::Looking,
        leader: 8,
        zxid: 9,
        round: 77,
        peer_epoch: 9,
        version: 2,
        config: Bytes::new(),
    };
    table.with(1, |e, now, out| e.notification(8, &notification, now, out));
    let before = table.sent;
    table.run_for(1000);
    assert!(table.sent - before < 100, "{}", table.sent - before);
    assert_eq!(
        table.servers[&1].vote().leader,
        1,
        "its vote does not count"
    );
}

#[test]
fn a_designated_leader_needs_no_election() {
    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    table.run_for(10);
    let states = [1, 2, 3].map(|id| {
        let mut state = PeerState::Looking;
        table.with(id, |e, _, _| state = e.designate(2, 5));
        state
    });
    assert_eq!(
        states,
        [
            PeerState::Following,
            PeerState::Leading,
            PeerState::Following
        ]
    );
    for id in 1..=3 {
        table.with(id, |e, _, _| e.set_epoch(2));
    }
    table.start(1, 1, 1);
    table.decide(1000);
    assert_eq!(table.leader(), 2, "who comes late finds it all the same");
}

#[test]
fn rounds_go_on_after_the_last_number() {
    let mut table = Table::new(voters(1..=3));
    for id in 1..=3 {
        table.start(id, 1, 1);
    }
    table.decide(1000);
    for id in 1..=2 {
        table.look(id);
    }
    let last = Notification {
        state: PeerState::Looking,
        leader: 1,
        zxid: 0,
        round: i64::MAX,
        peer_epoch: 0,
        version: 2,
        config: Bytes::new(),
    };
    table.with(2, |e, now, out| e.notification(1, &last, now, out));
    for _ in 0..3 {
        table.run_for(1000);
        for id in 1..=3 {
            table.look(id);
        }
        table.decide(1000);
        assert_eq!(table.leader(), 3);
    }
}

#[test]
fn an_observer_need_not_ask_again_when_there_is_a_leader() {
    let lines: String = (1..=4)
        .map(|id| {
            let role = if id == 4 { "observer" } else { "participant" };
            format!("server.{id}=h{id}:2888:3888:{role}\n")
        })
        .collect();
    let mut table = Table::new(view(&lines));
    table.start(3, 1, 1);
    table.start(4, 1, 1);
    table.run_for(300_000);
    table.start(2, 1, 1);
    let took = table.decide(100_000);
    assert!(took < 500, "{took}");
    assert_eq!(table.leader(), 3);
}

/// Of two servers (Java: `QuorumOracleMaj`).
#[test]
fn an_oracle_decides_between_two() {
    let mut table = Table::new(voters(1..=2));
    table.start(1, 1, 1);
    table.with(1, |e, now, out| e.oracle(false, now, out));
    table.run_for(1000);
    assert!(!table.decided(), "it needs the other one");
    table.with(1, |e, now, out| e.oracle(true, now, out));
    let took = table.decide(1000);
    assert!((200..250).contains(&took), "a better one may come: {took}");
    assert_eq!(table.leader(), 1);
    // The other one comes back, and follows.
    table.start(2, 1, 9);
    table.with(2, |e, now, out| e.oracle(false, now, out));
    table.decide(1000);
    assert_eq!(table.leader(), 1);

    // Both are there: the oracle has nothing to say.
    let mut table = Table::new(voters(1..=2));
    for (id, zxid) in [(1, 1), (2, 9)] {
        table.start(id, 1, zxid);
        table.with(id, |e, now, out| e.oracle(id == 1, now, out));
    }
    table.decide(1000);
    assert_eq!(table.leader(), 2);

    // Of three it never has.
    let mut table = Table::new(voters(1..=3));
    table.start(1, 1, 1);
    table.with(1, |e, now, out| e.oracle(true, now, out));
    table.run_for(1000);
    assert!(!table.decided());
}
