//! What the rest of the ensemble tells this server, and what follows from it (Java: the server
//! sides of `Leader`, `Follower` and `Observer`).

use super::io::{FromQuorum, Output};
use super::server::Server;

impl Server {
    pub(super) fn hear(&mut self, told: FromQuorum, out: &mut Vec<Output>) {
        if let FromQuorum::Commit { zxid } = told {
            self.commit_to(zxid.0, out);
        }
    }
}
