//! Clients' connections: they go to the server while there is one. Without one a connection is closed
//! when its first frame comes, as Java closes it.

use crate::core::io::{Input, Output};

use super::io::PeerOutput;
use super::machine::{Home, Peer};

impl Peer {
    pub(super) fn client(&mut self, input: Input, out: &mut Vec<PeerOutput>) {
        if matches!(self.home, Home::Serving(_)) {
            return self.serve_input(input, out);
        }
        match input {
            Input::Connected { conn, peer } => {
                self.early.insert(conn, peer);
            }
            Input::Frames { conn, .. } if self.early.remove(&conn).is_some() => {
                out.push(PeerOutput::Client(Output::Close { conn }));
            }
            Input::Disconnected { conn } => {
                self.early.remove(&conn);
            }
            _ => {}
        }
    }
}
