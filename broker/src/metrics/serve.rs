//! The HTTP endpoint for Prometheus, where `metrics.http.port` is set. Its failure to bind never
//! stops the broker.
#![allow(clippy::disallowed_methods, reason = "starts the endpoint's task")]

use std::sync::Arc;
use std::time::Duration;

use driver::http::{Limits, Request, Response, serve};
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::export;
use crate::state::Broker;

/// Serves `/metrics` from now on, until the runtime ends.
pub(crate) async fn start(broker: &Arc<Broker>) {
    let config = broker.config();
    let Some(port) = config.metrics_http_port else {
        return;
    };
    let port = u16::try_from(port).unwrap_or(0);
    let host = config.metrics_http_host.as_str();
    let place = config.settings.place("metrics.http.port");
    let listener = match TcpListener::bind((host, port)).await {
        Ok(listener) => listener,
        Err(error) => {
            let who = driver::port_holder::of_port(port)
                .map_or_else(String::new, |who| format!(", held by {who}"));
            warn!(
                "The broker goes on without metrics for Prometheus: {place}: metrics.http.port={port} \
                 cannot be bound on {host}{who}: {error}"
            );
            return;
        }
    };
    let port = listener.local_addr().map_or(port, |address| address.port());
    info!("Serving metrics for Prometheus at http://{host}:{port}/metrics");
    let limits = Limits {
        idle: Duration::from_secs(30),
        connections: 32,
    };
    let broker = broker.clone();
    tokio::spawn(serve(listener, limits, move |request| {
        answer(broker.clone(), request)
    }));
}

async fn answer(broker: Arc<Broker>, request: Request) -> Response {
    if request.path != "/metrics" {
        return Response::not_found();
    }
    let families = export::families(&broker).await;
    let (kind, body) = proto::telemetry::negotiate(request.accept.as_deref(), &families);
    Response::new(200, kind, body.freeze())
}
