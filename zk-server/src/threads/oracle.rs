//! The oracle of an ensemble of two (`oraclePath`; Java: `QuorumOracleMaj.askOracle`): a file, kept by
//! another program, whose first character is 1 where this server may go on without the other one. It
//! is read every few milliseconds, not for each decision, so that no file is read under the core's lock.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::core::Core;
use crate::peer::PeerInput;

const PAUSE: Duration = Duration::from_millis(20);

/// What the file says. One that can't be read grants nothing.
fn ask(path: &Path) -> Result<bool, String> {
    let mut first = [0];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut first));
    match read {
        Ok(_) => Ok(first[0] == b'1'),
        Err(error) => Err(error.to_string()),
    }
}

/// What it says at the start.
pub(super) fn first(path: &Path) -> bool {
    let said = ask(path);
    tell(path, &said);
    said.unwrap_or(false)
}

/// Tells the core of every change, as long as there is a core.
pub(super) fn watch(path: PathBuf, core: &Arc<Core>) -> std::io::Result<()> {
    let core = Arc::downgrade(core);
    let mut known = ask(&path);
    std::thread::Builder::new()
        .name("oracle".to_owned())
        .spawn(move || {
            while let Some(core) = Weak::upgrade(&core) {
                let said = ask(&path);
                if said != known {
                    tell(&path, &said);
                    known = said;
                }
                let grants = known.clone().unwrap_or(false);
                if core.with_peer(|peer| peer.oracle_says()) != Some(Some(grants)) {
                    core.peer(PeerInput::Oracle { grants });
                }
                drop(core);
                std::thread::sleep(PAUSE);
            }
        })?;
    Ok(())
}

fn tell(path: &Path, said: &Result<bool, String>) {
    let path = path.display();
    match said {
        Ok(true) => tracing::info!("The oracle {path} says 1: this server may go on alone"),
        Ok(false) => {
            tracing::info!("The oracle {path} does not say 1: this server needs the other")
        }
        Err(error) => tracing::error!(
            "The oracle {path} can't be read, so that this server needs the other one: {error}"
        ),
    }
}
