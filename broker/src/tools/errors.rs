//! Errors as Java's tools show them: the exception's class and its message (Java: `Errors`).

use proto::kafka::ErrorCode;

/// `org.apache.kafka.common.errors.X: message`, or the code's name where tools rarely meet it.
pub fn exception(error: ErrorCode) -> String {
    let (class, message) = match error {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => (
            "UnknownTopicOrPartitionException",
            "This server does not host this topic-partition.",
        ),
        ErrorCode::INVALID_TOPIC_EXCEPTION => (
            "InvalidTopicException",
            "The request attempted to perform an operation on an invalid topic.",
        ),
        ErrorCode::LEADER_NOT_AVAILABLE => (
            "LeaderNotAvailableException",
            "There is no leader for this topic-partition as we are in the middle of a leadership \
             election.",
        ),
        ErrorCode::COORDINATOR_NOT_AVAILABLE => (
            "CoordinatorNotAvailableException",
            "The coordinator is not available.",
        ),
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => (
            "CoordinatorLoadInProgressException",
            "The coordinator is loading and hence can't process requests.",
        ),
        ErrorCode::NOT_COORDINATOR => (
            "NotCoordinatorException",
            "This is not the correct coordinator.",
        ),
        ErrorCode::INVALID_GROUP_ID => (
            "InvalidGroupIdException",
            "The configured groupId is invalid.",
        ),
        ErrorCode::GROUP_ID_NOT_FOUND => {
            ("GroupIdNotFoundException", "The group id does not exist.")
        }
        ErrorCode::NON_EMPTY_GROUP => ("GroupNotEmptyException", "The group is not empty."),
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => (
            "GroupSubscribedToTopicException",
            "Deleting offsets of a topic is forbidden while the consumer group is actively \
             subscribed to it.",
        ),
        ErrorCode::UNKNOWN_MEMBER_ID => (
            "UnknownMemberIdException",
            "The coordinator is not aware of this member.",
        ),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => {
            ("GroupAuthorizationException", "Group authorization failed.")
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            ("TopicAuthorizationException", "Topic authorization failed.")
        }
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => (
            "ClusterAuthorizationException",
            "Cluster authorization failed.",
        ),
        other => return other.to_string(),
    };
    format!("org.apache.kafka.common.errors.{class}: {message}")
}
