//! The AdminServer: commands over HTTP with JSON answers (Java: `JettyAdminServer`, `Commands`). Its
//! failure to start never stops the server.

mod access;
mod commands;
mod guarded;
mod member;

pub use guarded::{Guarded, GuardedFigures};

use std::sync::Arc;
use std::time::Duration;

use driver::http::{Limits, Request, Response};
use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::Net;
use commands::Run;

/// Binds the port; an error says who holds it, if that can be known.
pub async fn bind(address: &str, port: u16) -> Result<TcpListener, String> {
    match TcpListener::bind((address, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) => {
            let holder = driver::port_holder::of_port(port)
                .map_or_else(String::new, |who| format!(", which {who} holds"));
            Err(format!("cannot bind {address}:{port}{holder}: {error}"))
        }
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, net: Arc<Net>) {
    let limits = Limits {
        idle: Duration::from_millis(net.config.admin.idle_timeout_ms.max(1)),
        connections: 64,
    };
    driver::http::serve(listener, limits, move |request| {
        let net = net.clone();
        async move { answer(request, &net).await }
    })
    .await;
}

/// Commands that are answered while no server runs.
const WITHOUT_SERVER: [&str; 6] = [
    "environment",
    "get_trace_mask",
    "monitor",
    "set_trace_mask",
    "system_properties",
    "zabstate",
];

async fn answer(mut request: Request, net: &Net) -> Response {
    let base = net.config.admin.command_url.trim_end_matches('/');
    let Some(rest) = request.path.strip_prefix(base) else {
        return Response::not_found();
    };
    let name = match rest.strip_prefix('/') {
        Some(name) => name.split('/').next().unwrap_or_default().to_owned(),
        None if rest.is_empty() => String::new(),
        None => return Response::not_found(),
    };
    if request.method != Method::GET && request.method != Method::POST {
        let posted = commands::find(&name).is_some_and(|c| matches!(c.run, Run::Restore));
        let use_what = if posted { "use POST\n" } else { "use GET\n" };
        return Response::new(405, "text/plain", use_what);
    }
    if name.is_empty() {
        return Response::new(200, "text/html;charset=utf-8", links(base));
    }
    let Some(command) = commands::find(&name) else {
        return failed(200, &name, &format!("Unknown command: {name}"));
    };
    // Between two roles in an ensemble (Java: `Command.isServerRequired`).
    let serving = net.core.with(|_| ()).is_some();
    if !serving && !WITHOUT_SERVER.contains(&command.name) {
        let error = "This ZooKeeper instance is not currently serving requests";
        // Java says 200 here too, and a script would take it for done.
        let status = if matches!(command.run, Run::Restore) {
            503
        } else {
            200
        };
        return failed(status, command.name, error);
    }
    if !matches!(command.run, Run::Get(_)) {
        if let Err(access::Refused { status, why }) = access::check(&request, net) {
            tracing::warn!("{} of {} is refused: {why}", command.name, request.peer);
            return failed(status, command.name, why);
        }
    }
    match command.run {
        Run::Get(run) if request.method == Method::GET => {
            render(200, command.name, run(&request, net))
        }
        Run::Snapshot if request.method == Method::GET => guarded::snapshot(&request, net).await,
        Run::Restore if request.method == Method::POST => guarded::restore(&mut request, net).await,
        // Java answers these with status 500 and where it failed.
        Run::Restore => failed(405, command.name, "This command does not support GET"),
        _ => failed(405, command.name, "This command does not support POST"),
    }
}

/// The page that lists all commands.
fn links(base: &str) -> String {
    let mut page = String::new();
    for command in commands::ALL {
        let name = command.name;
        page.push_str(&format!("<a href=\"{base}/{name}\">{name}</a>\n<br/>\n"));
    }
    page
}

fn failed(status: u16, command: &str, error: &str) -> Response {
    let mut body = Map::new();
    body.insert("command".to_owned(), json!(command));
    body.insert("error".to_owned(), json!(error));
    Response::new(status, "application/json", pretty(&Value::Object(body)))
}

/// Puts `command` and `error` behind what a command says, as Java does.
fn render(status: u16, command: &str, mut body: Map<String, Value>) -> Response {
    body.insert("command".to_owned(), json!(command));
    body.entry("error").or_insert(Value::Null);
    Response::new(status, "application/json", pretty(&Value::Object(body)))
}

/// Indented as Jackson does it: `"key" : value`, arrays on one line.
fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str("{ }"),
        Value::Object(map) => {
            out.push_str("{\n");
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(&"  ".repeat(depth + 1));
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(" : ");
                write(value, depth + 1, out);
                out.push_str(if at + 1 < map.len() { ",\n" } else { "\n" });
            }
            out.push_str(&"  ".repeat(depth));
            out.push('}');
        }
        Value::Array(items) if items.is_empty() => out.push_str("[ ]"),
        Value::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(item, depth, out);
            }
            out.push_str(" ]");
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_as_jackson_does() {
        let value = json!({"a": [1, {"b": "c"}], "d": [], "e": {}, "f": null, "g": 1.0});
        assert_eq!(
            pretty(&value),
            "{\n  \"a\" : [ 1, {\n    \"b\" : \"c\"\n  } ],\n  \"d\" : [ ],\n  \"e\" : { },\n  \
             \"f\" : null,\n  \"g\" : 1.0\n}"
        );
    }

    #[test]
    fn every_command_is_listed_in_the_order_of_java() {
        let page = links("/commands");
        assert!(page.starts_with("<a href=\"/commands/configuration\">configuration</a>\n<br/>\n"));
        assert_eq!(page.lines().count(), 2 * 28);
        let names: Vec<&str> = commands::ALL.iter().map(|c| c.name).collect();
        assert!(names.is_sorted());
    }
}
