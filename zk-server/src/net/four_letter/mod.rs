//! Four-letter words: what each prints, to the byte as Java 3.9 (package `server.command`).

mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Net;
use crate::core::io::Mode;

/// The answer to a word. `arguments` are the bytes after it.
pub async fn answer(
    word: &'static str,
    arguments: &[u8],
    peer: SocketAddr,
    net: &Arc<Net>,
) -> String {
    if !net.config.four_letter.allows(word) {
        tracing::debug!("Command {word} is not executed because it is not in the whitelist.");
        net.core.with(|server| server.stats.packets_received += 1);
        return refusal(word, net);
    }
    tracing::info!("Processing {word} command from /{peer}");
    net.core.with(|server| server.stats.packets_received += 1);
    let text = run(word, arguments, peer, net);
    net.core.with(|server| server.stats.packets_sent += 1);
    text
}

/// Java's sentence, and the line that changes it.
fn refusal(word: &str, net: &Net) -> String {
    let enabled = net.config.four_letter.enabled.join(",");
    format!(
        "{word} is not executed because it is not in the whitelist.\n\
         Write 4lw.commands.whitelist={enabled},{word} in zoo.cfg and restart to allow it.\n"
    )
}

/// What Java says between two roles in an ensemble, and on a leader that serves no clients.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

fn run(word: &str, arguments: &[u8], peer: SocketAddr, net: &Net) -> String {
    let serves = |mode: &Mode| *mode != Mode::Leading || net.config.ensemble.leader_serves;
    let mode = net.core.with(|server| server.mode()).filter(serves);
    if mode.is_none() && !["envi", "gtmk", "isro", "ruok", "stmk"].contains(&word) {
        return NOT_SERVING.to_owned();
    }
    match word {
        "conf" => text::conf(net),
        "cons" => text::cons(net, peer),
        "crst" => {
            net.core.with(crate::core::Server::reset_connection_stats);
            "Connection stats reset.\n".to_owned()
        }
        "dirs" => text::dirs(net),
        "dump" => text::dump(net),
        "envi" => text::envi(),
        "gtmk" => net.trace_mask.load(Ordering::Relaxed).to_string(),
        "hash" => text::hash(net),
        "isro" => match mode {
            None => "null".to_owned(),
            Some(Mode::ReadOnly) => "ro".to_owned(),
            Some(_) => "rw".to_owned(),
        },
        "mntr" => text::mntr(net),
        "ruok" => "imok".to_owned(),
        "srst" => {
            super::monitor::reset(net);
            // Unlike the AdminServer's command, in Java too.
            net.core.with_peer(crate::peer::Peer::reset_proposal_sizes);
            "Server stats reset.\n".to_owned()
        }
        "srvr" => text::srvr(net),
        "stat" => text::stat(net, peer),
        "stmk" => set_trace_mask(arguments, net),
        "wchc" => text::watches_by_session(net),
        "wchp" => text::watches_by_path(net),
        "wchs" => text::watches_summary(net),
        // `sniff` knows no other word.
        _ => String::new(),
    }
}

/// The mask is kept and shown; there is no trace log for it to select from, as in Java by default.
fn set_trace_mask(arguments: &[u8], net: &Net) -> String {
    let Some(Ok(mask)) = arguments.get(..8).map(<[u8; 8]>::try_from) else {
        return String::new();
    };
    let mask = i64::from_be_bytes(mask);
    net.trace_mask.store(mask, Ordering::Relaxed);
    mask.to_string()
}
