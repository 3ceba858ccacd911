//! What a client knows of its servers, for those who tell operators: which one it had, and why the
//! others did not answer. Decides nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::zk::client::Server;

/// Shared by a client's task and its handles.
#[derive(Debug, Default)]
pub struct Reach(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    trying: Option<String>,
    connected: Option<String>,
    /// the last reason of each server that could not be had
    failures: BTreeMap<String, String>,
}

impl Reach {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dialing(&self, server: &Server) {
        self.lock().trying = Some(server.to_string());
    }

    pub(super) fn failed(&self, why: impl ToString) {
        let mut known = self.lock();
        if let Some(server) = known.trying.clone() {
            known.failures.insert(server, why.to_string());
        }
    }

    pub(super) fn connected(&self) {
        let mut known = self.lock();
        known.connected = known.trying.clone();
        known.failures.clear();
    }

    /// The server of the last connection that stood.
    pub fn server(&self) -> Option<String> {
        self.lock().connected.clone()
    }

    /// `host:port: why` of each server that has failed since the last connection that stood.
    pub fn failures(&self) -> String {
        let known = self.lock();
        let failures = known.failures.iter();
        let failures: Vec<_> = failures.map(|(s, why)| format!("{s}: {why}")).collect();
        failures.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_of_each_server_stands_until_one_answers() {
        let server = |host: &str| Server {
            host: host.into(),
            port: 2181,
        };
        let reach = Reach::default();
        for (host, why) in [("a", "refused"), ("b", "no name"), ("a", "no answer")] {
            reach.dialing(&server(host));
            reach.failed(why);
        }
        assert_eq!(reach.failures(), "a:2181: no answer; b:2181: no name");
        assert_eq!(reach.server(), None);
        reach.dialing(&server("b"));
        reach.connected();
        reach.dialing(&server("a"));
        assert_eq!(reach.server().as_deref(), Some("b:2181"));
        assert_eq!(reach.failures(), "");
    }
}
