//! Commands on watches: addWatch, removewatches (Java: `AddWatchCommand`,
//! `RemoveWatchesCommand`).

use driver::zk_client::{WatcherType, ZkClient};

use super::fail::Failure;
use super::nodes::arguments;
use super::options::Parsed;
use super::table::Command;

type Done = Result<(), Failure>;

pub(super) async fn add(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let usage = || Failure::new(command.usage_text());
    let [path] = arguments(command, parsed, 1)? else {
        return Err(usage());
    };
    let recursive = match parsed.value("m").map(str::to_uppercase).as_deref() {
        None | Some("PERSISTENT_RECURSIVE") => true,
        Some("PERSISTENT") => false,
        Some(_) => return Err(usage()),
    };
    Ok(zk.add_watch(path, recursive).await?)
}

pub(super) async fn remove(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let kinds = [
        ("c", WatcherType::Children),
        ("d", WatcherType::Data),
        ("p", WatcherType::Persistent),
        ("r", WatcherType::PersistentRecursive),
    ];
    let asked = kinds.into_iter().find(|(option, _)| parsed.has(option));
    let kind = asked.map_or(WatcherType::Any, |(_, kind)| kind);
    Ok(zk.remove_watches(&args[0], kind, parsed.has("l")).await?)
}
