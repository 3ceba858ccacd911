//! The end in good order: leaderships are handed over, connections closed, logs flushed and closed.
//! Mirrors kafka.server.KafkaServer.shutdown and controlledShutdown.
#![allow(clippy::disallowed_methods, reason = "ends what the start has started")]

use std::sync::Arc;
use std::time::Duration;

use proto::kafka::messages::controlled_shutdown::ControlledShutdownRequest;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use crate::metrics::BrokerState;
use crate::state::Broker;
use crate::zk::keeper::Command;

pub(crate) async fn shut_down(
    broker: &Arc<Broker>,
    stop: &watch::Sender<bool>,
    net_stop: &watch::Sender<bool>,
    keeper: tokio::task::JoinHandle<()>,
) {
    info!("[KafkaServer id={}] shutting down", broker.id);
    if broker.config().controlled_shutdown_enable {
        broker
            .metrics
            .state
            .set(BrokerState::PendingControlledShutdown);
        controlled_shutdown(broker).await;
    }
    broker.metrics.state.set(BrokerState::ShuttingDown);
    let _ = net_stop.send(true);
    let _ = stop.send(true);
    let _ = keeper.await;
    if let Some(logs) = broker.replicas.take_logs().await {
        let epoch = broker.epoch();
        let _ = tokio::task::spawn_blocking(move || logs.close(epoch)).await;
    }
}

/// Asks the controller to move leaderships away. One that cannot be had is no reason to stay.
async fn controlled_shutdown(broker: &Arc<Broker>) {
    let config = broker.config();
    let tries = config.controlled_shutdown_max_retries.max(1);
    let backoff = Duration::from_millis(
        u64::try_from(config.controlled_shutdown_retry_backoff_ms).unwrap_or(0),
    );
    let alone = broker.metadata.load().nodes.len() <= 1;
    if alone {
        return;
    }
    for _ in 0..tries {
        match ask_controller(broker).await {
            Ok(true) => return info!("Controlled shutdown request returned successfully"),
            Ok(false) => {
                warn!("the controller still has partitions that only this broker can lead")
            }
            Err(why) => warn!("controlled shutdown: {why}"),
        }
        tokio::time::sleep(backoff).await;
    }
    warn!("Proceeding to do an unclean shutdown as all the controlled shutdown attempts failed");
}

/// Whether all leaderships have moved.
async fn ask_controller(broker: &Arc<Broker>) -> Result<bool, String> {
    if broker.is_controller() {
        let (answer, answered) = oneshot::channel();
        let (id, epoch) = (broker.id, broker.epoch());
        let command = Command::ControlledShutdown {
            broker: id,
            broker_epoch: epoch,
            answer,
        };
        broker
            .keeper
            .send(command)
            .await
            .map_err(|e| e.to_string())?;
        return match answered.await {
            Ok(Some(Ok(remaining))) => Ok(remaining.is_empty()),
            Ok(Some(Err(code))) => Err(format!("{code:?}")),
            _ => Err("this broker is not the controller any more".into()),
        };
    }
    let image = broker.metadata.load_full();
    let config = broker.config();
    let controller = image.controller_id.and_then(|id| image.nodes.get(&id));
    let point = controller.and_then(|node| node.on(&config.inter_broker_listener));
    let point = point.ok_or("there is no controller")?;
    let port = u16::try_from(point.port).map_err(|e| e.to_string())?;
    let timeout =
        Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms).unwrap_or(30_000));
    let options = driver::kafka_client::Options {
        client_id: broker.id.to_string().as_str().into(),
        connect_timeout: timeout,
        request_timeout: timeout,
        ..Default::default()
    };
    let connection = driver::kafka_client::Connection::connect(&point.host, port, options);
    let connection = connection.await.map_err(|e| e.to_string())?;
    let request = ControlledShutdownRequest {
        broker_id: broker.id,
        broker_epoch: broker.epoch(),
        ..Default::default()
    };
    let answer = connection.call(&request).await.map_err(|e| e.to_string())?;
    if answer.error_code != proto::kafka::ErrorCode::NONE {
        return Err(format!("{:?}", answer.error_code));
    }
    Ok(answer.remaining_partitions.is_empty())
}
