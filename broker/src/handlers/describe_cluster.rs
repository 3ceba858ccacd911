//! DescribeCluster: brokers and controller. Mirrors AuthHelper.computeDescribeClusterResponse.

use proto::kafka::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use proto::kafka::{ErrorCode, Str};

use super::metadata::ALL_CLUSTER_OPERATIONS;
use super::{Call, Handled};

/// End point type of brokers; KRaft controllers, the other one, do not exist here.
const BROKERS: i8 = 1;

pub(super) fn handle(call: Call, request: DescribeClusterRequest) -> Handled {
    let mut response = DescribeClusterResponse {
        endpoint_type: request.endpoint_type,
        ..DescribeClusterResponse::default()
    };
    if request.endpoint_type != BROKERS {
        response.error_code = ErrorCode::MISMATCHED_ENDPOINT_TYPE;
        response.error_message = Some(Str::from_static("This endpoint is that of brokers."));
        response.endpoint_type = BROKERS;
        return call.now(&response);
    }
    let image = call.broker.metadata.load();
    let brokers = image.nodes.values().filter_map(|node| {
        let point = node.on(&call.peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: node.id,
            host: point.host.clone(),
            port: point.port,
            rack: node.rack.clone(),
            ..DescribeClusterBroker::default()
        })
    });
    response.brokers = brokers.collect();
    response.cluster_id = call.broker.cluster_id.as_str().into();
    response.controller_id = image.controller_id.unwrap_or(-1);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    }
    drop(image);
    call.now(&response)
}
