//! Servers of one ensemble, each ours or one of Apache's, on loopback ports or on hosts of a
//! [`Net`]; any of them can be killed, stopped, paused, cut off, or replaced by the other kind in
//! its own folder.
#![allow(
    clippy::disallowed_methods,
    reason = "writes configuration, starts real processes"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use super::cfg::{self, key};
use super::server::{ask, java_command, our_command};
use crate::netns::Net;
use crate::peers::Java;
use crate::proc::{Port, Process, wait_until};

/// Whose server runs in a member's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    /// Apache's, of that version
    Java(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("ours"),
            Self::Java(version) => write!(f, "Java {version}"),
        }
    }
}

#[derive(Debug)]
struct Member {
    observer: bool,
    host: IpAddr,
    /// for clients, for the leader's learners, for elections
    ports: [u16; 3],
    _held: Vec<Port>,
    process: Option<(Kind, Process)>,
}

/// Members `1..=n`; observers come last.
#[derive(Debug)]
pub struct Ensemble {
    dir: PathBuf,
    members: Vec<Member>,
    lines: Vec<String>,
    /// of one member alone
    own_lines: BTreeMap<usize, Vec<String>>,
    properties: Vec<String>,
    java_options: Vec<String>,
    java: Option<Java>,
    // After the members: their processes go first.
    net: Option<Net>,
}

impl Ensemble {
    /// Everything on loopback, below `dir`.
    pub fn local(dir: &Path, voters: usize, observers: usize) -> Self {
        Self::at(dir, IpAddr::from(Ipv4Addr::LOCALHOST), voters, observers)
    }

    /// Everything on that address of this machine.
    pub fn at(dir: &Path, host: IpAddr, voters: usize, observers: usize) -> Self {
        let member = |observer| {
            let held: Vec<Port> = (0..3).map(|_| Port::reserve_on(host)).collect();
            Member {
                observer,
                host,
                ports: [held[0].number(), held[1].number(), held[2].number()],
                _held: held,
                process: None,
            }
        };
        Self::with(
            dir,
            (0..voters + observers).map(|i| member(i >= voters)),
            None,
        )
    }

    /// Each member on a loopback address of its own, so that all can have one port. Gives the port.
    pub fn apart(dir: &Path, voters: usize, observers: usize) -> (Self, u16) {
        let mut ensemble = Self::local(dir, voters, observers);
        for (last, member) in (1..).zip(&mut ensemble.members) {
            let host = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
            let held: Vec<Port> = (0..3).map(|_| Port::reserve_on(host)).collect();
            member.host = host;
            member.ports = [held[0].number(), held[1].number(), held[2].number()];
            member._held = held;
        }
        let shared = Port::reserve();
        let port = shared.number();
        ensemble.members[0]._held.push(shared);
        (ensemble, port)
    }

    /// Each member on a host of its own. The calling thread moves to their switch.
    pub fn on_hosts(dir: &Path, voters: usize, observers: usize) -> Result<Self, String> {
        let count = u8::try_from(voters + observers).map_err(|e| e.to_string())?;
        let net = Net::new(count)?;
        net.enter();
        let members: Vec<Member> = (1..=count)
            .map(|host| Member {
                observer: usize::from(host) > voters,
                host: net.addr(host),
                ports: [2181, 2888, 3888],
                _held: Vec::new(),
                process: None,
            })
            .collect();
        Ok(Self::with(dir, members, Some(net)))
    }

    fn with(dir: &Path, members: impl IntoIterator<Item = Member>, net: Option<Net>) -> Self {
        Self {
            dir: dir.to_owned(),
            members: members.into_iter().collect(),
            lines: Vec::new(),
            own_lines: BTreeMap::new(),
            properties: Vec::new(),
            java_options: Vec::new(),
            java: None,
            net,
        }
    }

    /// What Java members are started with.
    #[must_use]
    pub fn java(mut self, java: Java) -> Self {
        self.java = Some(java);
        self
    }

    /// Adds a line to everybody's zoo.cfg.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Adds a line to that member's zoo.cfg from its next start on; it takes the place of one with the
    /// same key, `server.N` included. A key alone only takes that one out.
    pub fn own_line(&mut self, id: usize, line: &str) {
        let lines = self.own_lines.entry(id).or_default();
        lines.retain(|known| key(known) != key(line));
        lines.push(line.to_owned());
    }

    /// A system property of everybody.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push(format!("-D{name}={value}"));
        self
    }

    /// An option of the Java machine.
    #[must_use]
    pub fn java_option(mut self, option: &str) -> Self {
        self.java_options.push(option.to_owned());
        self
    }

    pub fn ids(&self) -> impl Iterator<Item = usize> + use<> {
        1..=self.members.len()
    }

    pub fn net(&self) -> Option<&Net> {
        self.net.as_ref()
    }

    fn member(&self, id: usize) -> &Member {
        &self.members[id - 1]
    }

    fn member_mut(&mut self, id: usize) -> &mut Member {
        &mut self.members[id - 1]
    }

    /// Where clients of that member connect.
    pub fn addr(&self, id: usize) -> SocketAddr {
        let member = self.member(id);
        SocketAddr::new(member.host, member.ports[0])
    }

    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.ids().map(|id| self.addr(id)).collect()
    }

    pub fn member_dir(&self, id: usize) -> PathBuf {
        self.dir.join(format!("zk{id}"))
    }

    /// Writes the member's zoo.cfg and myid.
    pub fn write(&self, id: usize) -> PathBuf {
        let dir = self.member_dir(id);
        let own = self.member(id);
        let mut lines = vec![
            format!("dataDir={}", dir.join("data").display()),
            format!("clientPort={}", own.ports[0]),
            format!("clientPortAddress={}", own.host),
            "tickTime=500".to_owned(),
            "initLimit=20".to_owned(),
            "syncLimit=10".to_owned(),
            "minSessionTimeout=1000".to_owned(),
            "maxSessionTimeout=60000".to_owned(),
            "maxClientCnxns=0".to_owned(),
            "admin.enableServer=false".to_owned(),
            "4lw.commands.whitelist=*".to_owned(),
            "preAllocSize=512".to_owned(),
        ];
        if own.observer {
            lines.push("peerType=observer".to_owned());
        }
        for (i, member) in self.members.iter().enumerate() {
            let [_, quorum, election] = member.ports;
            let role = if member.observer { ":observer" } else { "" };
            let (id, host) = (i + 1, written(member.host));
            lines.push(format!("server.{id}={host}:{quorum}:{election}{role}"));
        }
        let alone = self.own_lines.get(&id).into_iter().flatten();
        let path = cfg::write(&dir, lines, self.lines.iter().chain(alone));
        std::fs::write(dir.join("data/myid"), format!("{id}\n")).expect("myid can be written");
        path
    }

    /// The line by which a member joins: `server.N=host:port:port:role;host:port`.
    pub fn joins_as(&self, id: usize, role: &str) -> String {
        let member = self.member(id);
        let (host, [client, quorum, election]) = (written(member.host), member.ports);
        format!("server.{id}={host}:{quorum}:{election}:{role};{host}:{client}")
    }

    /// Ports for clients, for the leader's learners, for elections.
    pub fn ports(&self, id: usize) -> [u16; 3] {
        self.member(id).ports
    }

    /// From here on clients of that member are looked for at this address.
    pub fn moved(&mut self, id: usize, host: IpAddr, ports: [u16; 3]) {
        let member = self.member_mut(id);
        (member.host, member.ports) = (host, ports);
    }

    /// What that member's host takes for `/etc/hosts`, at once and from its next start on.
    #[track_caller]
    pub fn names(&self, id: usize, text: &str) {
        let dir = self.member_dir(id);
        std::fs::create_dir_all(&dir).expect("the member's folder can be made");
        std::fs::write(dir.join("hosts"), text).expect("names can be written");
    }

    /// Starts a server in the member's folder and does not wait for it.
    #[track_caller]
    pub fn start(&mut self, id: usize, kind: Kind) {
        self.write(id);
        self.start_again(id, kind);
    }

    /// Starts a server from the configuration as the one before has left it.
    #[track_caller]
    pub fn start_again(&mut self, id: usize, kind: Kind) {
        let config = self.member_dir(id).join("zoo.cfg");
        let dir = self.member_dir(id);
        let mut command = match kind {
            Kind::Ours => our_command(&self.properties),
            Kind::Java(version) => {
                let java = self.java.expect("a Java machine for a Java member");
                java_command(
                    java,
                    version,
                    self.java_options.iter().chain(&self.properties),
                )
            }
        };
        command.arg(config).current_dir(&dir);
        if let Some(net) = &self.net {
            let names = dir.join("hosts");
            if names.exists() {
                command = net.with_names(&names, &command);
            }
            command = net.on_host(id as u8, &command);
        }
        let name = format!("member {id} ({kind})");
        let process = Process::spawn(&name, command, &dir.join("server.log"));
        self.member_mut(id).process = Some((kind, process));
    }

    /// Starts all, in the order of their ids, and waits until they serve. Gives the leader.
    #[track_caller]
    pub fn start_all(&mut self, kinds: &[Kind]) -> usize {
        assert_eq!(kinds.len(), self.members.len(), "a kind for each member");
        for (i, &kind) in kinds.iter().enumerate() {
            self.start(i + 1, kind);
        }
        self.wait_serving()
    }

    /// `kill -9`
    pub fn kill(&mut self, id: usize) {
        if let Some((_, mut process)) = self.member_mut(id).process.take() {
            process.kill();
        }
    }

    /// SIGTERM, as `zkServer.sh stop`, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self, id: usize) {
        if let Some((_, mut process)) = self.member_mut(id).process.take() {
            process.stop();
        }
    }

    /// Its process, which the ensemble knows nothing of from here on.
    #[track_caller]
    pub fn take(&mut self, id: usize) -> Process {
        self.member_mut(id).process.take().expect("it runs").1
    }

    pub fn pause(&self, id: usize) {
        self.process(id).signal(Signal::SIGSTOP);
    }

    pub fn unpause(&self, id: usize) {
        self.process(id).signal(Signal::SIGCONT);
    }

    #[track_caller]
    pub fn cut(&self, id: usize, cut: bool) {
        let net = self.net.as_ref().expect("an ensemble on hosts");
        net.cut(id as u8, cut);
    }

    #[track_caller]
    pub fn process(&self, id: usize) -> &Process {
        &self.member(id).process.as_ref().expect("it runs").1
    }

    pub fn kind(&self, id: usize) -> Option<Kind> {
        self.member(id).process.as_ref().map(|&(kind, _)| kind)
    }

    pub fn running(&self) -> Vec<usize> {
        self.ids().filter(|&id| self.kind(id).is_some()).collect()
    }

    /// A four-letter word's answer, empty when none comes soon.
    pub fn four_letter(&self, id: usize, word: &str) -> String {
        ask(self.addr(id), word, std::time::Duration::from_secs(2))
    }

    /// `leader`, `follower`, `observer` or `read-only`, when it serves.
    pub fn mode(&self, id: usize) -> Option<String> {
        field(&self.four_letter(id, "srvr"), "Mode: ")
    }

    /// zxid of the last transaction that the member has applied
    pub fn zxid(&self, id: usize) -> Option<String> {
        field(&self.four_letter(id, "srvr"), "Zxid: ")
    }

    pub fn leader(&self) -> Option<usize> {
        let leads = |&id: &usize| self.mode(id).as_deref() == Some("leader");
        self.running().into_iter().find(leads)
    }

    /// Waits until every running member serves, one of them as leader. Gives the leader.
    #[track_caller]
    pub fn wait_serving(&mut self) -> usize {
        let mut leader = 0;
        wait_until("the ensemble to serve", || {
            for member in &mut self.members {
                if let Some((_, process)) = &mut member.process {
                    process.assert_running();
                }
            }
            let modes: Vec<(usize, Option<String>)> = self
                .running()
                .into_iter()
                .map(|id| (id, self.mode(id)))
                .collect();
            let is = |mode: &Option<String>, what| mode.as_deref() == Some(what);
            let leaders: Vec<usize> = modes
                .iter()
                .filter(|(_, mode)| is(mode, "leader"))
                .map(|&(id, _)| id)
                .collect();
            leader = leaders.first().copied().unwrap_or_default();
            let serving = |mode| is(mode, "leader") || is(mode, "follower") || is(mode, "observer");
            leaders.len() == 1 && modes.iter().all(|(_, mode)| serving(mode))
        });
        leader
    }

    /// Waits until every running member has applied the same last transaction.
    #[track_caller]
    pub fn wait_level(&self) {
        wait_until("all members to reach one zxid", || {
            let zxids: Vec<Option<String>> =
                self.running().into_iter().map(|id| self.zxid(id)).collect();
            zxids[0].is_some() && zxids.iter().all(|zxid| *zxid == zxids[0])
        });
    }
}

/// An address as it stands before a colon.
fn written(host: IpAddr) -> String {
    match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    }
}

fn field(answer: &str, name: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.process = None;
        }
    }
}
