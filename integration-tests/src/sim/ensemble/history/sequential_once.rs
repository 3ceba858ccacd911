//! A sequential name is given once, with its number behind what was asked for.

use proto::jute::Jute;
use proto::zk::request::CreateMode;
use proto::zk::response::PathResponse;

use super::History;

impl History {
    /// The numbers of sequential names begin again where they were when the snapshot was taken.
    pub fn restored(&mut self) {
        self.sequential.clear();
    }

    pub(super) fn sequential(
        &mut self,
        prefix: &str,
        _: CreateMode,
        body: &[u8],
    ) -> Result<(), String> {
        let made = PathResponse::from_bytes(body)
            .map_err(|e| e.to_string())?
            .path
            .to_owned();
        let number = made.strip_prefix(prefix).is_some_and(|n| n.len() == 10);
        if number && self.sequential.insert(made.clone()) {
            Ok(())
        } else {
            Err(format!("{made} was given as the next of {prefix}"))
        }
    }
}
