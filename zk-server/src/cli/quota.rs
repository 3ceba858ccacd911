//! Commands on quotas: setquota, listquota, delquota (Java: `SetQuotaCommand`,
//! `ListQuotaCommand`, `DelQuotaCommand`, `Quotas`, `StatsTrack`).

use std::collections::BTreeMap;

use driver::zk_client::{CreateMode, Error, OwnedAcl, ZkClient};
use proto::zk::ErrorCode;

use super::fail::Failure;
use super::nodes::arguments;
use super::options::Parsed;
use super::table::Command;
use super::tree;

const ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD: &str = "countHardLimit";
const BYTES_HARD: &str = "byteHardLimit";

/// The options, and the limit that each stands for.
const KEYS: [(&str, &str); 4] = [
    ("n", COUNT),
    ("b", BYTES),
    ("N", COUNT_HARD),
    ("B", BYTES_HARD),
];

type Done = Result<(), Failure>;

/// Limits, or what is used of them; -1 stands for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Track(BTreeMap<String, i64>);

impl Track {
    fn parse(data: Option<&[u8]>) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(data.unwrap_or_default()).into_owned();
        let mut track = Self::default();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.split('=');
            let (key, value) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or("-1"),
            );
            let number = value.parse();
            let number = number.map_err(|_| Failure::new(format!("quota \"{text}\" is broken")))?;
            track.0.insert(key.to_owned(), number);
        }
        Ok(track)
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    fn set(&mut self, key: &str, value: i64) {
        self.0.insert(key.to_owned(), value);
    }

    /// The two old limits first, then the others behind a mark that old readers skip.
    fn text(&self) -> String {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.get(COUNT), self.get(BYTES));
        let others = self
            .0
            .iter()
            .filter(|(key, _)| *key != COUNT && *key != BYTES);
        let others: String = others
            .map(|(key, value)| format!(";{key}={value}"))
            .collect();
        if !others.is_empty() {
            text.push('=');
            text.push_str(&others);
        }
        text
    }
}

async fn read(zk: &ZkClient, path: &str) -> Result<Track, Failure> {
    Track::parse(zk.get_data(path, false).await?.0.as_deref())
}

pub(super) async fn list(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let path = &args[0];
    err!("absolute path is {ROOT}{path}/{LIMITS}");
    let get = async |node| zk.get_data(&format!("{ROOT}{path}/{node}"), false).await;
    let (limits, stats) = match (get(LIMITS).await, get(STATS).await) {
        (Ok((limits, _)), Ok((stats, _))) => (limits, stats),
        (Err(error), _) | (_, Err(error)) => return missing(path, error),
    };
    out!(
        "Output quota for {path} {}",
        Track::parse(limits.as_deref())?.text()
    );
    out!(
        "Output stat for {path} {}",
        Track::parse(stats.as_deref())?.text()
    );
    Ok(())
}

fn missing(path: &str, error: Error) -> Done {
    if error.code() != Some(ErrorCode::NoNode) {
        return Err(error.into());
    }
    err!("quota for {path} does not exist.");
    Ok(())
}

pub(super) async fn delete(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let path = &args[0];
    let limits = format!("{ROOT}{path}/{LIMITS}");
    if zk.exists(&limits, false).await?.is_none() {
        out!("Quota does not exist for {path}");
        return Ok(());
    }
    let mut quota = read(zk, &limits).await?;
    match KEYS.iter().find(|(option, _)| parsed.has(option)) {
        Some((_, key)) => {
            quota.set(key, -1);
            zk.set_data(&limits, Some(quota.text().as_bytes()), -1)
                .await?;
            Ok(())
        }
        None => match remove(zk, format!("{ROOT}{path}")).await {
            Ok(()) => Ok(()),
            Err(error) => missing(path, error),
        },
    }
}

/// Deletes a quota, and the znodes above it that nothing else needs.
async fn remove(zk: &ZkClient, mut node: String) -> Result<(), Error> {
    for child in zk.get_children(&node, false).await?.0 {
        zk.delete(&format!("{node}/{child}"), -1).await?;
    }
    while node != ROOT && zk.get_children(&node, false).await?.0.is_empty() {
        zk.delete(&node, -1).await?;
        node.truncate(node.rfind('/').unwrap_or(0));
    }
    Ok(())
}

pub(super) async fn set(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let args = arguments(command, parsed, 1)?;
    let path = &args[0];
    if path.starts_with(ROOT) {
        err!("cannot set a quota under the path: {ROOT}");
        return Ok(());
    }
    let Some((key, limit)) = wanted(parsed) else {
        return Ok(());
    };
    if zk.exists(path, false).await?.is_none() {
        return Err(Failure::new(format!("{path} does not exist.")));
    }
    check_below(zk, path).await?;
    check_above(zk, path).await?;
    let parent = make_parents(zk, path).await?;
    let (limits, stats) = (format!("{parent}/{LIMITS}"), format!("{parent}/{STATS}"));
    if zk.exists(&limits, false).await?.is_none() {
        let mut quota = Track::default();
        for (_, key) in KEYS {
            quota.set(key, -1);
        }
        quota.set(key, limit);
        let none = Track(BTreeMap::from([
            (COUNT.to_owned(), 0),
            (BYTES.to_owned(), 0),
        ]));
        make(zk, &limits, Some(&quota.text())).await?;
        make(zk, &stats, Some(&none.text())).await?;
        warn_if_exceeded(&read(zk, &limits).await?, &read(zk, &stats).await?);
    } else {
        let mut quota = read(zk, &limits).await?;
        quota.set(key, limit);
        warn_if_exceeded(&quota, &read(zk, &stats).await?);
        zk.set_data(&limits, Some(quota.text().as_bytes()), -1)
            .await?;
    }
    Ok(())
}

/// The limit that the options ask for; tells what is wrong with it.
fn wanted(parsed: &Parsed) -> Option<(&'static str, i64)> {
    let (option, key) = KEYS.into_iter().find(|(option, _)| parsed.has(option))?;
    let text = parsed.value(option)?;
    let counts = matches!(option, "n" | "N");
    let number = if counts {
        text.parse::<i32>().map(i64::from)
    } else {
        text.parse()
    };
    match number {
        Err(_) => err!("NumberFormatException happens when parsing the option value"),
        Ok(count) if counts && count <= 0 => err!("the num quota must be greater than zero"),
        Ok(bytes) if bytes < 0 => err!("the bytes quota must be greater than or equal to zero"),
        Ok(limit) => return Some((key, limit)),
    }
    None
}

/// Refuses a quota above another one.
async fn check_below(zk: &ZkClient, path: &str) -> Done {
    let root = format!("{ROOT}{path}");
    // A znode `zookeeper_limits` marks its parent as one with a quota.
    let suffix = format!("/{LIMITS}");
    let mut found = None;
    let visit = async |node: &str| {
        let owner = node.strip_suffix(&suffix).filter(|owner| *owner != root);
        if let (Some(owner), None) = (owner, &found) {
            found = owner.strip_prefix(ROOT).map(str::to_owned);
        }
    };
    match tree::visit(zk, &root, false, visit).await {
        Err(error) if error.code() != Some(ErrorCode::NoNode) => return Err(error.into()),
        _ => {}
    }
    match found {
        Some(child) => Err(Failure::new(format!(
            "{path} has a child {child} which has a quota"
        ))),
        None => Ok(()),
    }
}

/// Refuses a quota below another one.
async fn check_above(zk: &ZkClient, path: &str) -> Done {
    let names: Vec<_> = path.split('/').skip(1).collect();
    let mut node = ROOT.to_owned();
    for name in &names[..names.len().saturating_sub(1)] {
        node.push('/');
        node.push_str(name);
        let children = match zk.get_children(&node, false).await {
            Ok((children, _)) => children,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if children.iter().any(|child| child == LIMITS) {
            let parent = &node[ROOT.len()..];
            let message = format!("{path} has a parent {parent} which has a quota");
            return Err(Failure::new(message));
        }
    }
    Ok(())
}

async fn make(zk: &ZkClient, path: &str, data: Option<&str>) -> Result<(), Error> {
    let data = data.map(str::as_bytes);
    zk.create(path, data, &[OwnedAcl::OPEN], CreateMode::Persistent)
        .await?;
    Ok(())
}

/// Makes the znodes above a quota of `path`; the last of them.
async fn make_parents(zk: &ZkClient, path: &str) -> Result<String, Error> {
    let mut node = String::new();
    for name in ROOT
        .split('/')
        .chain(path.split('/'))
        .filter(|name| !name.is_empty())
    {
        node.push('/');
        node.push_str(name);
        if zk.exists(&node, false).await?.is_none() {
            match make(zk, &node, None).await {
                Err(error) if error.code() != Some(ErrorCode::NodeExists) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(node)
}

fn warn_if_exceeded(quota: &Track, used: &Track) {
    for (name, soft, hard) in [(COUNT, COUNT, COUNT_HARD), (BYTES, BYTES, BYTES_HARD)] {
        let used = used.get(soft);
        let below = |limit: i64| limit > -1 && limit < used;
        if below(quota.get(soft)) || below(quota.get(hard)) {
            out!("[Warning]: the {name} quota you create is less than the existing {name}:{used}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_and_write_as_javas() {
        let text = "count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=9";
        let track = Track::parse(Some(text.as_bytes())).unwrap();
        assert_eq!(
            (track.get(COUNT), track.get(BYTES), track.get(COUNT_HARD)),
            (5, -1, 9)
        );
        assert_eq!(track.text(), text);
        assert_eq!(
            Track::parse(Some(b"count=1,bytes=2")).unwrap().text(),
            "count=1,bytes=2"
        );
        assert!(Track::parse(Some(b"count=x")).is_err());
    }
}
