//! Commands on the ensemble: config, reconfig, version (Java: `GetConfigCommand`,
//! `ReconfigCommand`, `VersionCommand`, `ConfigUtils.getClientConfigStr`).

use driver::zk_client::ZkClient;
use proto::properties::Properties;

use crate::net::environment::full_version;

use super::fail::Failure;
use super::options::Parsed;
use super::table::Command;
use super::text;

type Done = Result<(), Failure>;

pub(super) async fn config(zk: &ZkClient, parsed: &Parsed) -> Done {
    let (data, stat) = zk.get_config(parsed.has("w")).await?;
    let data = text::plain(data.as_deref());
    if parsed.has("c") {
        out!("{}", client_config(&data));
    } else {
        out!("{data}");
    }
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

/// `VERSION HOST:PORT,...`: the configuration as a connect string.
fn client_config(data: &str) -> String {
    let Ok(config) = Properties::parse("/zookeeper/config", data.as_bytes()) else {
        return String::new();
    };
    let version = config.value("version").unwrap_or_default().trim();
    let mut servers: Vec<_> = config
        .iter()
        .filter(|p| p.key.starts_with("server."))
        .collect();
    let buckets = java_buckets(config.len());
    servers.sort_by_key(|p| java_bucket(&p.key, buckets));
    let address = |value: &str| {
        let client = value
            .rsplit_once(';')
            .map_or("", |(_, client)| client.trim());
        match client {
            "" => String::new(),
            port if !port.contains(':') => format!("0.0.0.0:{port}"),
            address => address.to_owned(),
        }
    };
    let addresses: Vec<_> = servers.iter().map(|p| address(&p.value)).collect();
    format!("{version} {}", addresses.join(","))
}

/// How many buckets the hash table behind Java's `Properties` has with so many keys.
fn java_buckets(keys: usize) -> u32 {
    let mut buckets = 16;
    while keys >= buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    buckets
}

/// The place of a key in that table: Java's users see the servers in this order.
fn java_bucket(key: &str, buckets: u32) -> u32 {
    let hash = key.encode_utf16().fold(0u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(unit.into())
    });
    (hash ^ (hash >> 16)) & (buckets - 1)
}

pub(super) async fn reconfig(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Done {
    let fail = |message: &str| Err(Failure::new(message));
    let [file, members, add, remove] =
        ["file", "members", "add", "remove"].map(|option| parsed.value(option));
    if file.or(members).or(add).or(remove).is_none() {
        return fail(&command.usage_text());
    }
    let version = match parsed.value("v") {
        None => -1,
        Some(hex) => match i64::from_str_radix(hex, 16) {
            Ok(version) => version,
            Err(_) => return fail("-v must be followed by a long (configuration version)"),
        },
    };
    if file.or(members).is_some() && add.or(remove).is_some() {
        return fail(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)",
        );
    }
    if file.is_some() && members.is_some() {
        return fail("Can't use -file and -members together (conflicting non-incremental modes)");
    }
    let lower = |text: Option<&str>| text.map(str::to_lowercase);
    let members = match file {
        Some(file) => Some(read_members(file)?),
        None => lower(members),
    };
    let (add, remove) = (lower(add), lower(remove));
    let call = zk.reconfig(
        add.as_deref(),
        remove.as_deref(),
        members.as_deref(),
        version,
    );
    let (data, stat) = call.await?;
    out!(
        "Committed new configuration:\n{}",
        text::plain(data.as_deref())
    );
    if parsed.has("s") {
        out!("{}", text::stat(&stat));
    }
    Ok(())
}

/// The lines of a configuration file that tell its members; the leader checks them.
fn read_members(file: &str) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(format!("Error processing {file}{why}"));
    let bytes = std::fs::read(file).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
            _ => error.to_string(),
        };
        wrong(format!("{file} ({why})"))
    })?;
    let properties = Properties::parse(file, &bytes).map_err(|error| wrong(error.to_string()))?;
    let kinds = ["server.", "group.", "weight.", "version"];
    let lines: Vec<_> = properties
        .iter()
        .filter(|p| kinds.iter().any(|kind| p.key.starts_with(kind)))
        .map(|p| format!("{}={}\n", p.key, p.value.trim()))
        .collect();
    if !lines.iter().any(|line| line.starts_with("server.")) {
        return Err(wrong(
            ": it names no server.N=host:port:port;port".to_owned(),
        ));
    }
    Ok(lines.concat())
}

pub(super) fn version(command: &Command, parsed: &Parsed) -> Done {
    if parsed.args.len() > 1 {
        return Err(Failure::new(command.usage_text()));
    }
    out!("ZooKeeper CLI version: {}", full_version());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_as_a_connect_string() {
        let config = "server.1=a:2888:3888:participant;0.0.0.0:2181\n\
                      server.2=b:2888:3888:participant;b:2182\nversion=100000000";
        assert_eq!(client_config(config), "100000000 b:2182,0.0.0.0:2181");
        assert_eq!(client_config(""), " ");
    }

    #[test]
    fn servers_come_in_the_order_of_javas_hash_table() {
        let order = |n: u32| {
            let lines = (1..=n).map(|i| format!("server.{i}=h:1:2;h:{i}\n"));
            let text = client_config(&(lines.collect::<String>() + "version=0"));
            text.replace("0 h:", "").replace(",h:", " ")
        };
        // Printed by OpenJDK 17.
        assert_eq!(order(3), "2 1 3");
        assert_eq!(order(10), "10 2 1 6 5 4 3 9 8 7");
        assert_eq!(order(15), "10 11 2 14 1 15 12 13 6 5 4 3 9 8 7");
    }
}
