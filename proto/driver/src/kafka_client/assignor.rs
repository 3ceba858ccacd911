//! Shares partitions out among the members of a group. Pure. Mirrors Java's `RangeAssignor`
//! (without racks), so that a group of Java's consumers and ours gets the same shares whoever leads.

use std::collections::BTreeMap;

use proto::kafka::Str;

/// A member, and the topics that it wants.
#[derive(Debug, Clone)]
pub struct Subscriber {
    pub member_id: Str,
    pub instance_id: Option<Str>,
    pub topics: Vec<Str>,
}

/// Partitions of each topic, by member.
pub type Assignment = BTreeMap<Str, BTreeMap<Str, Vec<i32>>>;

/// Of each topic every member gets a run of partitions, the first members one more where the
/// number does not divide.
pub fn range(mut members: Vec<Subscriber>, partitions: &BTreeMap<Str, i32>) -> Assignment {
    // Static members come first, by instance id.
    members.sort_by(|a, b| match (&a.instance_id, &b.instance_id) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.member_id.cmp(&b.member_id),
    });
    let mut shares: Assignment = members
        .iter()
        .map(|m| (m.member_id.clone(), BTreeMap::new()))
        .collect();
    for (topic, count) in partitions {
        let wanting: Vec<&Str> = members
            .iter()
            .filter(|m| m.topics.contains(topic))
            .map(|m| &m.member_id)
            .collect();
        let Ok(among) = i32::try_from(wanting.len()) else {
            continue;
        };
        if among == 0 {
            continue;
        }
        let (each, more) = (count / among, count % among);
        let mut next = 0;
        for (rank, member) in (0..among).zip(wanting) {
            let end = next + each + i32::from(rank < more);
            if end > next {
                let share = shares.entry(member.clone()).or_default();
                share.insert(topic.clone(), (next..end).collect());
            }
            next = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, instance: Option<&str>, topics: &[&str]) -> Subscriber {
        Subscriber {
            member_id: id.into(),
            instance_id: instance.map(Str::from),
            topics: topics.iter().map(|t| Str::from(*t)).collect(),
        }
    }

    #[test]
    fn the_first_members_get_one_more() {
        let members = vec![
            member("b", None, &["x", "y"]),
            member("a", None, &["x"]),
            member("z", Some("1"), &["x"]),
        ];
        let counts = BTreeMap::from([("x".into(), 5), ("y".into(), 2), ("unwanted".into(), 1)]);
        let shares = range(members, &counts);
        let of = |m: &str, t: &str| shares[m].get(t).cloned().unwrap_or_default();
        assert_eq!(of("z", "x"), [0, 1]);
        assert_eq!(of("a", "x"), [2, 3]);
        assert_eq!(of("b", "x"), [4]);
        assert_eq!(of("b", "y"), [0, 1]);
        assert_eq!(shares["a"].len(), 1);
    }

    #[test]
    fn more_members_than_partitions() {
        let members = vec![member("a", None, &["x"]), member("b", None, &["x"])];
        let shares = range(members, &BTreeMap::from([("x".into(), 1)]));
        assert_eq!((shares["a"].len(), shares["b"].len()), (1, 0));
    }
}
