//! Hosts of a test on one machine: network namespaces joined by a switch, each host with its own
//! address and its own loopback, and any of them cut off at will. Needs root and `ip` (iproute2).
#![allow(
    clippy::disallowed_methods,
    reason = "drives ip, opens namespaces, reads /proc"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use crate::proc::behind;

/// All namespaces of all tests begin so; the number of the process follows.
const PREFIX: &str = "zktest";

/// A switch with hosts `1..=n` at `10.77.0.1`, `10.77.0.2` and so on; gone when dropped.
#[derive(Debug)]
pub struct Net {
    name: String,
    hosts: u8,
}

fn next_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}n{next}", std::process::id())
}

/// Why there are no namespaces here, for a skipped test.
pub fn unavailable() -> Option<String> {
    let name = format!("{}probe", next_name());
    let made = ip(&["netns", "add", &name]);
    let _ = ip(&["netns", "del", &name]);
    made.err()
        .map(|why| format!("no network namespaces: {why} (needs root and iproute2)"))
}

impl Net {
    pub fn new(hosts: u8) -> Result<Self, String> {
        remove_stale();
        let name = next_name();
        // Dropped, and so taken down, when a step fails.
        let net = Self { name, hosts };
        let switch = net.switch();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "set", "lo", "up"])?;
        ip(&[
            "-n",
            &switch,
            "link",
            "add",
            "sw",
            "type",
            "bridge",
            "stp_state",
            "0",
        ])?;
        ip(&["-n", &switch, "addr", "add", "10.77.0.254/24", "dev", "sw"])?;
        ip(&["-n", &switch, "link", "set", "sw", "up"])?;
        for host in 1..=hosts {
            let (name, port) = (net.host(host), format!("h{host}"));
            ip(&["netns", "add", &name])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&[
                "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0",
                "netns", &name,
            ])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "sw", "up"])?;
            let address = format!("10.77.0.{host}/24");
            ip(&["-n", &name, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        }
        Ok(net)
    }

    fn switch(&self) -> String {
        format!("{}sw", self.name)
    }

    /// The name of a host's namespace, for `ip netns exec`.
    pub fn host(&self, host: u8) -> String {
        format!("{}h{host}", self.name)
    }

    pub fn addr(&self, host: u8) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(10, 77, 0, host))
    }

    /// The same command on that host. It becomes the program itself: pids stay what they are.
    pub fn on_host(&self, host: u8, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &self.host(host)]);
        behind(wrapped, command)
    }

    /// The same command where `names` is `/etc/hosts`. What is written to the file later counts too.
    pub fn with_names(&self, names: &Path, command: &Command) -> Command {
        let mut wrapped = Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        wrapped.args(["--mount", "sh", "-c", script]).arg(names);
        behind(wrapped, command)
    }

    /// Puts the calling thread on the switch: what it connects from here on goes to the hosts.
    #[track_caller]
    pub fn enter(&self) {
        let path = Path::new("/run/netns").join(self.switch());
        let namespace = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter its own namespaces");
    }

    /// Gives every host a second network, `10.78.0.N`, with a switch and cables of its own; the
    /// first switch's namespace is on it too.
    pub fn join_second(&self) -> Result<(), String> {
        let switch = &self.switch();
        ip(&[
            "-n",
            switch,
            "link",
            "add",
            "sw2",
            "type",
            "bridge",
            "stp_state",
            "0",
        ])?;
        ip(&["-n", switch, "addr", "add", "10.78.0.254/24", "dev", "sw2"])?;
        ip(&["-n", switch, "link", "set", "sw2", "up"])?;
        for host in 1..=self.hosts {
            let (name, port) = (&self.host(host), &format!("s{host}"));
            ip(&[
                "-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth1", "netns",
                name,
            ])?;
            ip(&["-n", switch, "link", "set", port, "master", "sw2", "up"])?;
            let address = &format!("10.78.0.{host}/24");
            ip(&["-n", name, "addr", "add", address, "dev", "eth1"])?;
            ip(&["-n", name, "link", "set", "eth1", "up"])?;
        }
        Ok(())
    }

    /// A host's address on the second network.
    pub fn second(&self, host: u8) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(10, 78, 0, host))
    }

    /// As [`Net::cut`], for the network of that number: 0 is the first.
    #[track_caller]
    pub fn cut_network(&self, host: u8, network: usize, cut: bool) {
        let port = format!("{}{host}", ["h", "s"][network]);
        let state = if cut { "down" } else { "up" };
        ip(&["-n", &self.switch(), "link", "set", &port, state]).expect("ip link");
    }

    /// Pulls a host's cable, or puts it back. Nobody is told: packets get lost.
    #[track_caller]
    pub fn cut(&self, host: u8, cut: bool) {
        self.cut_network(host, 0, cut);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in 1..=self.hosts {
            let _ = ip(&["netns", "del", &self.host(host)]);
        }
        let _ = ip(&["netns", "del", &self.switch()]);
    }
}

/// What a test that was killed has left.
fn remove_stale() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for name in entries.filter_map(|e| e.ok()?.file_name().into_string().ok()) {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !Path::new("/proc").join(pid).exists() {
            let _ = ip(&["netns", "del", &name]);
        }
    }
}

fn ip<S: AsRef<OsStr>>(args: &[S]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|e| format!("ip: {e}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
