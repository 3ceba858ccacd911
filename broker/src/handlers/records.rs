//! What the handlers of records share: names of partitions, what the cluster knows of them.

use proto::kafka::{ErrorCode, Str};

use crate::log::TopicPartition;
use crate::metadata::ClusterImage;

pub(super) fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition,
    }
}

/// Whether the cluster has such a partition.
pub(super) fn check_known(
    image: &ClusterImage,
    topic: &str,
    partition: i32,
) -> Result<(), ErrorCode> {
    match image.partition(topic, partition) {
        Some(_) => Ok(()),
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

/// Topics that only the coordinators write to (`Topic.isInternal`).
pub(super) fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state")
}

type Address = (Str, i32, Option<Str>);

/// Id and epoch of a partition's leader, and where it listens.
pub(super) fn leader_of(
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    listener: &str,
) -> (i32, i32, Option<Address>) {
    let Some(known) = image.partition(topic, partition) else {
        return (-1, -1, None);
    };
    let node = image.nodes.get(&known.leader);
    let address = node.and_then(|node| {
        let point = node.on(listener)?;
        Some((point.host.clone(), point.port, node.rack.clone()))
    });
    (known.leader, known.leader_epoch, address)
}
