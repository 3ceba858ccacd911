//! Which brokers get the replicas of a new topic: round robin from a random start, every rack in
//! turn where racks are known. Pure; the caller draws the random numbers. Mirrors
//! kafka.admin.AdminUtils.assignReplicasToBrokers.

use std::collections::{BTreeMap, BTreeSet};

/// A broker and its rack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: i32,
    pub rack: Option<String>,
}

/// Why no assignment can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    #[error("Number of partitions must be larger than 0.")]
    Partitions,
    #[error("Replication factor must be larger than 0.")]
    Factor,
    #[error("Replication factor: {factor} larger than available brokers: {brokers}.")]
    Brokers { factor: usize, brokers: usize },
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    Racks,
}

/// Where to begin: the first broker, and the distance of the second replica.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub index: usize,
    pub shift: usize,
}

/// Replicas of the partitions `first..first + partitions`.
pub fn assign(
    brokers: &[Candidate],
    partitions: usize,
    factor: usize,
    first: usize,
    start: Start,
) -> Result<BTreeMap<i32, Vec<i32>>, AssignError> {
    if partitions == 0 {
        return Err(AssignError::Partitions);
    }
    if factor == 0 {
        return Err(AssignError::Factor);
    }
    if factor > brokers.len() {
        return Err(AssignError::Brokers {
            factor,
            brokers: brokers.len(),
        });
    }
    let with_rack = brokers
        .iter()
        .filter(|broker| broker.rack.is_some())
        .count();
    if with_rack == 0 {
        return Ok(rack_unaware(brokers, partitions, factor, first, start));
    }
    if with_rack < brokers.len() {
        return Err(AssignError::Racks);
    }
    Ok(rack_aware(brokers, partitions, factor, first, start))
}

fn replica_index(first: usize, second_shift: usize, replica: usize, brokers: usize) -> usize {
    let shift = 1 + (second_shift + replica) % (brokers - 1);
    (first + shift) % brokers
}

fn rack_unaware(
    brokers: &[Candidate],
    partitions: usize,
    factor: usize,
    first: usize,
    start: Start,
) -> BTreeMap<i32, Vec<i32>> {
    let ids: Vec<i32> = brokers.iter().map(|broker| broker.id).collect();
    let mut shift = start.shift;
    let mut assignment = BTreeMap::new();
    for partition in first..first + partitions {
        if partition > 0 && partition % ids.len() == 0 {
            shift += 1;
        }
        let leader = (partition + start.index) % ids.len();
        let mut replicas = vec![ids[leader]];
        replicas.extend(
            (0..factor - 1).map(|replica| ids[replica_index(leader, shift, replica, ids.len())]),
        );
        assignment.insert(i32::try_from(partition).unwrap_or(i32::MAX), replicas);
    }
    assignment
}

/// The brokers in an order that changes the rack at every step.
fn alternate_racks(brokers: &[Candidate]) -> Vec<i32> {
    let mut racks: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for broker in brokers {
        racks
            .entry(broker.rack.as_deref().unwrap_or(""))
            .or_default()
            .push(broker.id);
    }
    for ids in racks.values_mut() {
        ids.sort_unstable();
    }
    let longest = racks.values().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|at| racks.values().filter_map(move |ids| ids.get(at).copied()))
        .collect()
}

fn rack_aware(
    brokers: &[Candidate],
    partitions: usize,
    factor: usize,
    first: usize,
    start: Start,
) -> BTreeMap<i32, Vec<i32>> {
    let rack_of: BTreeMap<i32, &str> = brokers
        .iter()
        .map(|broker| (broker.id, broker.rack.as_deref().unwrap_or("")))
        .collect();
    let racks = rack_of.values().collect::<BTreeSet<_>>().len();
    let ids = alternate_racks(brokers);
    let mut shift = start.shift;
    let mut assignment = BTreeMap::new();
    for partition in first..first + partitions {
        if partition > 0 && partition % ids.len() == 0 {
            shift += 1;
        }
        let leader = (partition + start.index) % ids.len();
        let mut replicas = vec![ids[leader]];
        let mut used_racks = BTreeSet::from([rack_of[&ids[leader]]]);
        let mut used = BTreeSet::from([ids[leader]]);
        let mut step = 0;
        for _ in 1..factor {
            loop {
                let id = ids[replica_index(leader, shift * racks, step, ids.len())];
                step += 1;
                let rack = rack_of[&id];
                // a rack twice only when each has one, a broker twice never
                let rack_free = !used_racks.contains(rack) || used_racks.len() == racks;
                let broker_free = !used.contains(&id) || used.len() == ids.len();
                if rack_free && broker_free {
                    replicas.push(id);
                    used_racks.insert(rack);
                    used.insert(id);
                    break;
                }
            }
        }
        assignment.insert(i32::try_from(partition).unwrap_or(i32::MAX), replicas);
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[Option<&str>]) -> Vec<Candidate> {
        let with_id = racks.iter().zip(0..);
        with_id
            .map(|(rack, id)| Candidate {
                id,
                rack: rack.map(str::to_owned),
            })
            .collect()
    }

    #[test]
    fn follows_the_example_in_kafkas_documentation() {
        let five = brokers(&[None; 5]);
        let made = assign(&five, 10, 3, 0, Start { index: 0, shift: 0 }).unwrap();
        let expected: [[i32; 3]; 10] = [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
            [3, 4, 0],
            [4, 0, 1],
            [0, 2, 3],
            [1, 3, 4],
            [2, 4, 0],
            [3, 0, 1],
            [4, 1, 2],
        ];
        for (partition, replicas) in made {
            assert_eq!(replicas, expected[usize::try_from(partition).unwrap()]);
        }
    }

    #[test]
    fn replicas_lie_in_different_racks() {
        let six = brokers(&[
            Some("a"),
            Some("b"),
            Some("c"),
            Some("a"),
            Some("b"),
            Some("c"),
        ]);
        assert_eq!(alternate_racks(&six), [0, 1, 2, 3, 4, 5]);
        for (_, replicas) in assign(&six, 12, 3, 0, Start { index: 2, shift: 1 }).unwrap() {
            let racks: BTreeSet<_> = replicas.iter().map(|id| id % 3).collect();
            assert_eq!(racks.len(), 3, "{replicas:?}");
        }
    }

    #[test]
    fn says_what_cannot_be() {
        let start = Start { index: 0, shift: 0 };
        assert_eq!(
            assign(&brokers(&[None]), 0, 1, 0, start),
            Err(AssignError::Partitions)
        );
        assert_eq!(
            assign(&brokers(&[None]), 1, 2, 0, start),
            Err(AssignError::Brokers {
                factor: 2,
                brokers: 1
            })
        );
        assert_eq!(
            assign(&brokers(&[None, Some("a")]), 1, 1, 0, start),
            Err(AssignError::Racks)
        );
    }
}
