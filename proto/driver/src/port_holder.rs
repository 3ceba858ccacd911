//! Who listens on a port, as far as `/proc` tells this user.
#![allow(clippy::disallowed_methods, reason = "reads /proc")]

use std::path::Path;

/// `process 123 (java)`, for a message about a taken port.
pub fn of_port(port: u16) -> Option<String> {
    process_of(&listener(port)?)
}

/// Words for a message about a taken port, to stand after "the port is taken": who listens there, or whose
/// connection has been given it, or nothing where nothing is known.
pub fn told(port: u16) -> String {
    if let Some(inode) = listener(port) {
        return process_of(&inode).map_or_else(String::new, |who| format!(" ({who})"));
    }
    let connected = inode_in_tables(port, |state| state != LISTENS);
    let who = connected.and_then(|inode| process_of(&inode));
    who.map_or_else(String::new, |who| {
        format!(
            " (nobody listens there, but a connection of {who} comes from it: keep the port out of \
             net.ipv4.ip_local_port_range)"
        )
    })
}

/// Whether anybody listens on the port, whoever it is.
pub fn is_listened(port: u16) -> bool {
    listener(port).is_some()
}

/// The state of a socket that listens, as the kernel's tables write it.
const LISTENS: &str = "0A";

fn listener(port: u16) -> Option<String> {
    inode_in_tables(port, |state| state == LISTENS)
}

fn inode_in_tables(port: u16, state: impl Fn(&str) -> bool) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| inode(&std::fs::read_to_string(table).ok()?, port, &state))
}

fn process_of(inode: &str) -> Option<String> {
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let folder = Path::new("/proc").join(pid.to_string());
        let Ok(files) = std::fs::read_dir(folder.join("fd")) else {
            continue;
        };
        let links = files
            .flatten()
            .filter_map(|f| std::fs::read_link(f.path()).ok());
        if links.into_iter().any(|to| to.as_os_str() == link.as_str()) {
            let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", name.trim()));
        }
    }
    None
}

/// A socket of the port that is in such a state; one that nobody has open any more has no inode.
fn inode(table: &str, port: u16, wanted: impl Fn(&str) -> bool) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let inode = *fields.get(9)?;
        let found = u16::from_str_radix(local, 16) == Ok(port) && wanted(fields[3]) && inode != "0";
        found.then(|| inode.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = super::of_port(port).unwrap();
        assert!(
            holder.starts_with(&format!("process {} (", std::process::id())),
            "{holder}"
        );
    }

    #[test]
    fn a_connection_from_a_port_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = stream.local_addr().unwrap().port();
        assert!(!super::is_listened(port));
        let told = super::told(port);
        let part = format!("a connection of process {} (", std::process::id());
        assert!(told.contains(&part), "{told}");
        let told = super::told(listener.local_addr().unwrap().port());
        assert!(told.starts_with(" (process "), "{told}");
    }
}
