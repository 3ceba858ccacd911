//! Who leads a partition: pure choices over assignment, ISR and live brokers. Mirrors
//! kafka.controller.Election and PartitionLeaderElectionAlgorithms.

use crate::zk::json::LeaderAndIsr;

/// Leader of a partition that has none.
pub(super) const NO_LEADER: i32 = -1;

/// The first state of a new partition: the first live replica leads, all live ones are in sync.
pub(super) fn first(
    replicas: &[i32],
    controller_epoch: i32,
    live: impl Fn(i32) -> bool,
) -> Option<LeaderAndIsr> {
    let isr: Vec<i32> = replicas.iter().copied().filter(|id| live(*id)).collect();
    let leader = *isr.first()?;
    Some(LeaderAndIsr {
        leader,
        leader_epoch: 0,
        isr,
        controller_epoch,
        recovery: 0,
    })
}

/// A new leader for a partition whose leader is gone: the first assigned live replica in the ISR,
/// or, where the topic allows losing data, any live one.
pub(super) fn offline(
    replicas: &[i32],
    state: &LeaderAndIsr,
    live: impl Fn(i32) -> bool,
    unclean: bool,
) -> Option<(i32, Vec<i32>)> {
    let clean = replicas
        .iter()
        .copied()
        .find(|id| live(*id) && state.isr.contains(id));
    if let Some(leader) = clean {
        let isr = state.isr.iter().copied().filter(|id| live(*id)).collect();
        return Some((leader, isr));
    }
    let leader = replicas
        .iter()
        .copied()
        .find(|id| live(*id))
        .filter(|_| unclean)?;
    Some((leader, vec![leader]))
}

/// The preferred replica, if it is live and in sync.
pub(super) fn preferred(
    replicas: &[i32],
    state: &LeaderAndIsr,
    live: impl Fn(i32) -> bool,
) -> Option<(i32, Vec<i32>)> {
    let leader = *replicas.first()?;
    (live(leader) && state.isr.contains(&leader)).then(|| (leader, state.isr.clone()))
}

/// Another replica in sync, when the leader wants to stop.
pub(super) fn controlled_shutdown(
    replicas: &[i32],
    state: &LeaderAndIsr,
    live: impl Fn(i32) -> bool,
) -> Option<(i32, Vec<i32>)> {
    let isr: Vec<i32> = state.isr.iter().copied().filter(|id| live(*id)).collect();
    let leader = replicas
        .iter()
        .copied()
        .find(|id| live(*id) && isr.contains(id))?;
    Some((leader, isr))
}

/// The ISR without a replica that is gone; the last one stays, so that it is known who may lead
/// again without loss (ReplicaStateMachine.doRemoveReplicasFromIsr).
pub(super) fn without(state: &LeaderAndIsr, gone: i32) -> (i32, Vec<i32>) {
    let leader = if state.leader == gone {
        NO_LEADER
    } else {
        state.leader
    };
    let isr = match state.isr.as_slice() {
        [_] => state.isr.clone(),
        isr => isr.iter().copied().filter(|id| *id != gone).collect(),
    };
    (leader, isr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(leader: i32, isr: &[i32]) -> LeaderAndIsr {
        LeaderAndIsr {
            leader,
            leader_epoch: 4,
            isr: isr.to_vec(),
            controller_epoch: 1,
            recovery: 0,
        }
    }

    #[test]
    fn leaders_come_from_the_isr_in_the_order_of_the_assignment() {
        let live = |id: i32| id != 1;
        assert_eq!(
            first(&[1, 2, 3], 9, live).map(|s| (s.leader, s.isr)),
            Some((2, vec![2, 3]))
        );
        assert_eq!(
            offline(&[1, 2, 3], &state(1, &[1, 3]), live, false),
            Some((3, vec![3]))
        );
        assert_eq!(offline(&[1, 2], &state(1, &[1]), live, false), None);
        assert_eq!(
            offline(&[1, 2], &state(1, &[1]), live, true),
            Some((2, vec![2]))
        );
        assert_eq!(
            preferred(&[2, 3], &state(3, &[3, 2]), live),
            Some((2, vec![3, 2]))
        );
        assert_eq!(preferred(&[1, 3], &state(3, &[3, 1]), live), None);
        assert_eq!(
            controlled_shutdown(&[1, 2], &state(1, &[1, 2]), live),
            Some((2, vec![2]))
        );
        assert_eq!(without(&state(1, &[1]), 1), (NO_LEADER, vec![1]));
        assert_eq!(without(&state(2, &[1, 2]), 1), (2, vec![2]));
    }
}
