//! `WriteTxnMarkers`: a coordinator has markers written to partitions (API key 27).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `WriteTxnMarkersRequestData`.
    struct WriteTxnMarkersRequest (0..=1, flexible 1..) {
        markers: Vec<WritableTxnMarker>,
    }
    struct WritableTxnMarker {
        producer_id: i64,
        producer_epoch: i16,
        transaction_result: bool,
        topics: Vec<WritableTxnMarkerTopic>,
        coordinator_epoch: i32,
    }
    struct WritableTxnMarkerTopic {
        name: Str,
        partition_indexes: Vec<i32>,
    }
    /// Java: `WriteTxnMarkersResponseData`.
    struct WriteTxnMarkersResponse (0..=1, flexible 1..) {
        markers: Vec<WritableTxnMarkerResult>,
    }
    struct WritableTxnMarkerResult {
        producer_id: i64,
        topics: Vec<WritableTxnMarkerTopicResult>,
    }
    struct WritableTxnMarkerTopicResult {
        name: Str,
        partitions: Vec<WritableTxnMarkerPartitionResult>,
    }
    struct WritableTxnMarkerPartitionResult {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
