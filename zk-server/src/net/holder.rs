//! Who listens on a port, as far as `/proc` tells this user.

use std::path::Path;

/// `process 123 (java)`, for a message about a taken port.
pub fn of_port(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| listening_inode(&std::fs::read_to_string(table).ok()?, port))?;
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

/// The socket that listens (state 0A) on the port.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let listens = *fields.get(3)? == "0A";
        (listens && u16::from_str_radix(local, 16) == Ok(port))
            .then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
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
}
