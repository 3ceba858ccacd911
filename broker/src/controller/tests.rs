//! Stories of the controller: brokers and tools act, effects are checked; writes succeed at once.

use std::collections::BTreeMap;

use proto::kafka::{ErrorCode, Uuid};

use super::machine::{Controller, Rules};
use super::{ControlRequest, Effect, Event, LiveBroker, Loaded, Outcome, TopicPartition, Write};
use crate::config::{EndPoint, SecurityProtocol};
use crate::zk::json::{Assignment, BrokerInfo, TopicAssignment};

fn broker(id: i32) -> LiveBroker {
    let point = EndPoint {
        name: "PLAINTEXT".into(),
        host: "h".into(),
        port: 9000 + u16::try_from(id).unwrap(),
        protocol: SecurityProtocol::Plaintext,
    };
    let info = BrokerInfo {
        end_points: vec![point],
        jmx_port: -1,
        rack: None,
        timestamp_ms: 0,
    };
    LiveBroker {
        id,
        epoch: 100 + i64::from(id),
        info,
    }
}

fn topic(replicas: &[&[i32]]) -> TopicAssignment {
    let partitions = (0..).zip(replicas).map(|(index, replicas)| {
        (
            index,
            Assignment {
                replicas: replicas.to_vec(),
                ..Assignment::default()
            },
        )
    });
    TopicAssignment {
        id: None,
        partitions: partitions.collect(),
    }
}

/// The controller and a ZooKeeper that does what it is told.
struct World {
    controller: Controller,
    versions: BTreeMap<TopicPartition, i32>,
    done: Vec<Effect>,
}

impl World {
    fn new(brokers: &[i32]) -> Self {
        let rules = Rules {
            id: 0,
            epoch: 1,
            inter_broker_listener: "PLAINTEXT".into(),
            delete_topics: true,
            imbalance_percentage: 10,
            unclean: Box::new(|_| false),
            topic_id: Box::new(|_, _| Uuid([9; 16])),
        };
        let loaded = Loaded {
            brokers: brokers.iter().map(|id| broker(*id)).collect(),
            ..Loaded::default()
        };
        let mut out = Vec::new();
        let controller = Controller::begin(rules, loaded, &mut out);
        let mut world = Self {
            controller,
            versions: BTreeMap::new(),
            done: Vec::new(),
        };
        world.carry_out(out);
        world
    }

    fn on(&mut self, event: Event) {
        let mut out = Vec::new();
        self.controller.on_event(event, &mut out);
        self.carry_out(out);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Write(write) = &effect {
                let version = match write {
                    Write::CreateState(tp, _) => *self.versions.entry(tp.clone()).or_insert(0),
                    Write::SetState(tp, _, version) => {
                        assert_eq!(self.versions[tp], *version);
                        self.versions.insert(tp.clone(), version + 1);
                        version + 1
                    }
                    _ => 1,
                };
                let write = write.clone();
                self.done.push(effect);
                self.on(Event::Written(write, Outcome::Done(version)));
            } else {
                self.done.push(effect);
            }
        }
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.done)
    }

    fn leader(&self, name: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self
            .controller
            .context
            .partition(&TopicPartition::new(name, partition))?;
        partition
            .leadership
            .as_ref()
            .map(|l| (l.state.leader, l.state.leader_epoch))
    }
}

fn sent_to(effects: &[Effect], id: i32) -> Vec<&ControlRequest> {
    let of = |effect| match effect {
        &Effect::Send(to, ref request) if to == id => Some(request),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn a_topic_that_a_tool_wrote_gets_an_id_and_leaders() {
    let mut world = World::new(&[0, 1]);
    world.take();
    world.on(Event::TopicNames(["t".to_owned()].into()));
    assert_eq!(world.take(), [Effect::ReadTopics(vec!["t".into()])]);
    world.on(Event::Topic("t".into(), Some((topic(&[&[1], &[0]]), 0))));
    let effects = world.take();
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Write(Write::SetTopic(name, znode, 0)) if name == "t" => znode.id,
        _ => None,
    });
    assert_eq!(id, Some(Uuid([9; 16])));
    assert_eq!(world.leader("t", 0), Some((1, 0)));
    assert_eq!(world.leader("t", 1), Some((0, 0)));
    let requests = sent_to(&effects, 1);
    assert!(
        requests
            .iter()
            .any(|request| matches!(request, ControlRequest::LeaderAndIsr(r)
        if r.broker_epoch == 101 && r.topic_states[0].partition_states[0].is_new))
    );
    // a tool of 2.7 rewrites the znode without the id, with a partition more
    world.on(Event::Topic(
        "t".into(),
        Some((topic(&[&[1], &[0], &[1]]), 2)),
    ));
    let rewritten = world.take().into_iter().find_map(|effect| match effect {
        Effect::Write(Write::SetTopic(_, znode, 2)) => Some(znode),
        _ => None,
    });
    assert_eq!(
        rewritten.map(|znode| (znode.id, znode.partitions.len())),
        Some((Some(Uuid([9; 16])), 3))
    );
    assert_eq!(world.leader("t", 2), Some((1, 0)));
}

#[test]
fn leadership_moves_when_a_broker_goes_and_waits_when_nobody_is_left() {
    let mut world = World::new(&[0, 1]);
    world.on(Event::Topic("t".into(), Some((topic(&[&[1, 0], &[1]]), 0))));
    assert_eq!(world.leader("t", 0), Some((1, 0)));
    world.on(Event::Brokers(vec![broker(0)]));
    assert_eq!(world.leader("t", 0), Some((0, 1)));
    assert_eq!(world.leader("t", 1), Some((-1, 1)));
    world.on(Event::Brokers(vec![broker(0), broker(1)]));
    assert_eq!(world.leader("t", 0), Some((0, 1)));
    assert_eq!(world.leader("t", 1), Some((1, 2)));
    // it must be in sync before it may lead again: here it is not
    world.on(Event::PreferredElection(vec![("t".into(), 0)]));
    assert_eq!(world.leader("t", 0), Some((0, 1)));
    assert!(
        world
            .take()
            .contains(&Effect::Write(Write::DeletePreferredElection))
    );
}

#[test]
fn a_broker_that_returns_at_once_keeps_what_only_it_has() {
    let mut world = World::new(&[0, 1]);
    world.on(Event::Topic("t".into(), Some((topic(&[&[1]]), 0))));
    world.take();
    let mut again = broker(1);
    again.epoch = 200;
    world.on(Event::Brokers(vec![broker(0), again]));
    assert_eq!(world.leader("t", 0), Some((1, 0)));
    let effects = world.take();
    assert!(effects.contains(&Effect::RemoveBroker(1)));
    assert!(
        sent_to(&effects, 1)
            .iter()
            .any(|request| matches!(request, ControlRequest::LeaderAndIsr(_)))
    );
}

#[test]
fn a_topic_goes_when_all_its_replicas_are_gone() {
    let mut world = World::new(&[0, 1]);
    world.on(Event::Topic("t".into(), Some((topic(&[&[0, 1]]), 0))));
    world.on(Event::Brokers(vec![broker(0)]));
    world.take();
    world.on(Event::Deletions(vec!["t".into(), "never".into()]));
    let effects = world.take();
    assert!(effects.contains(&Effect::Write(Write::DeleteRequest("never".into()))));
    assert!(
        sent_to(&effects, 0)
            .iter()
            .any(|request| matches!(request, ControlRequest::StopReplica(r)
        if r.topic_states[0].partition_states[0].delete_partition))
    );
    let tp = TopicPartition::new("t", 0);
    world.on(Event::Stopped {
        broker: 0,
        results: vec![(tp.clone(), ErrorCode::NONE)],
    });
    assert!(world.leader("t", 0).is_some());
    world.on(Event::Brokers(vec![broker(0), broker(1)]));
    world.on(Event::Stopped {
        broker: 1,
        results: vec![(tp, ErrorCode::NONE)],
    });
    assert!(
        world
            .take()
            .contains(&Effect::Write(Write::DeleteTopic("t".into())))
    );
    assert!(world.leader("t", 0).is_none());
}

#[test]
fn a_controlled_shutdown_moves_what_can_move() {
    let mut world = World::new(&[0, 1]);
    world.on(Event::Topic("t".into(), Some((topic(&[&[1, 0], &[1]]), 0))));
    world.take();
    world.on(Event::ControlledShutdown {
        broker: 1,
        broker_epoch: 50,
        token: 1,
    });
    world.on(Event::ControlledShutdown {
        broker: 1,
        broker_epoch: 101,
        token: 2,
    });
    let effects = world.take();
    let stale = Err(ErrorCode::STALE_BROKER_EPOCH);
    assert!(effects.contains(&Effect::ShutdownReply {
        token: 1,
        result: stale
    }));
    assert!(effects.contains(&Effect::ShutdownReply {
        token: 2,
        result: Ok(Vec::new())
    }));
    assert_eq!(world.leader("t", 0), Some((0, 1)));
    // only it has the other one, which stays with it to the end
    assert_eq!(world.leader("t", 1), Some((1, 0)));
}

#[test]
fn a_state_that_another_controller_wrote_is_adopted() {
    let mut world = World::new(&[0]);
    world.take();
    let mut out = Vec::new();
    world.controller.on_event(
        Event::Topic("t".into(), Some((topic(&[&[0]]), 0))),
        &mut out,
    );
    let create = out.into_iter().find_map(|effect| match effect {
        Effect::Write(write @ Write::CreateState(..)) => Some(write),
        _ => None,
    });
    let Some(Write::CreateState(tp, mut state)) = create else {
        panic!("no state is written")
    };
    state.leader_epoch = 7;
    let write = Write::CreateState(tp, state.clone());
    world.on(Event::Written(write, Outcome::State(state, 3)));
    assert_eq!(world.leader("t", 0), Some((0, 7)));
}
