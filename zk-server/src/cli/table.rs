//! Every command: its name, how it is used, its options (Java: `CommandFactory`, the constructors
//! in the package `cli`, `ZooKeeperMain.commandMap`).

use super::options::{Group, Opt, flag, help, value};

/// One command.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// what follows the name in its usage
    pub(super) usage: &'static str,
    /// `None`: the command takes its words as they are
    pub(super) options: Option<&'static [Opt]>,
    pub(super) group: Group,
    /// its usage shows the table of options
    pub(super) shows_options: bool,
}

impl Command {
    /// The usage as an error message.
    pub(super) fn usage_text(&self) -> String {
        let mut text = format!("{} {}", self.name, self.usage);
        if self.shows_options {
            text.push('\n');
            text.push_str(&help(self.options.unwrap_or_default()));
        }
        text
    }
}

const fn plain(name: &'static str, usage: &'static str) -> Command {
    Command {
        name,
        usage,
        options: None,
        group: Group::Free,
        shows_options: false,
    }
}

const fn with(name: &'static str, usage: &'static str, options: &'static [Opt]) -> Command {
    let options = Some(options);
    Command {
        name,
        usage,
        options,
        group: Group::Free,
        shows_options: false,
    }
}

const NO_OPTIONS: &[Opt] = &[];
const DELETE_ALL: &[Opt] = &[value("b", "batch size")];
const LS: &[Opt] = &[
    flag("?", "help"),
    flag("s", "stat"),
    flag("w", "watch"),
    flag("R", "recurse"),
];

/// All commands, in the order of Java's usage.
pub(super) static COMMANDS: &[Command] = &[
    with(
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
        &[value("m", "")],
    ),
    with("addauth", "scheme auth", NO_OPTIONS),
    plain("close", ""),
    with(
        "config",
        "[-c] [-w] [-s]",
        &[
            flag("s", "stats"),
            flag("w", "watch"),
            flag("c", "client connection string"),
        ],
    ),
    plain("connect", "host:port"),
    with(
        "create",
        "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
        &[
            flag("e", "ephemeral"),
            flag("s", "sequential"),
            flag("c", "container"),
            value("t", "ttl"),
        ],
    ),
    with("delete", "[-v version] path", &[value("v", "version")]),
    with("deleteall", "path [-b batch size]", DELETE_ALL),
    Command {
        name: "delquota",
        usage: "[-n|-b|-N|-B] path",
        options: Some(&[
            flag("n", "num soft quota"),
            flag("b", "bytes soft quota"),
            flag("N", "num hard quota"),
            flag("B", "bytes hard quota"),
        ]),
        group: Group::AtMostOne,
        shows_options: false,
    },
    Command {
        name: "get",
        usage: "[-s] [-w] [-b] [-x] path",
        options: Some(&[
            flag("s", "Print znode stats additionally"),
            flag("w", "Watch for changes on the znode"),
            flag("b", "Output data in base64 format"),
            flag("x", "Output data in hexdump format"),
        ]),
        group: Group::Free,
        shows_options: true,
    },
    with("getAcl", "[-s] path", &[flag("s", "stats")]),
    with("getAllChildrenNumber", "path", NO_OPTIONS),
    with("getEphemerals", "path", NO_OPTIONS),
    plain("history", ""),
    with("listquota", "path", NO_OPTIONS),
    with("ls", "[-s] [-w] [-R] path", LS),
    plain("printwatches", "on|off"),
    plain("quit", ""),
    with(
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        &[
            flag("s", "stats"),
            value("v", "required current config version"),
            value("file", "path of config file to parse for membership"),
            value(
                "members",
                "comma-separated list of config strings for non-incremental reconfig",
            ),
            value(
                "add",
                "comma-separated list of config strings for new servers",
            ),
            value("remove", "comma-separated list of server IDs to remove"),
        ],
    ),
    plain("redo", "cmdno"),
    with(
        "removewatches",
        "path [-c|-d|-a] [-l]",
        &[
            flag("c", "child watcher type"),
            flag("d", "data watcher type"),
            flag("p", "persistent watcher type"),
            flag("r", "persistent recursive watcher type"),
            flag("a", "any watcher type"),
            flag("l", "remove locally when there is no server connection"),
        ],
    ),
    Command {
        name: "set",
        usage: "path data [-s] [-v version] [-b]",
        options: Some(&[
            flag("s", "Print znode stats additionally"),
            value("v", "Set with an expected version"),
            flag("b", "Supply data in base64 format"),
        ]),
        group: Group::Free,
        shows_options: true,
    },
    with(
        "setAcl",
        "[-s] [-v version] [-R] path acl",
        &[
            flag("s", "stats"),
            value("v", "version"),
            flag("R", "recursive"),
        ],
    ),
    Command {
        name: "setquota",
        usage: "-n|-b|-N|-B val path",
        options: Some(&[
            value("n", "num soft quota"),
            value("b", "bytes soft quota"),
            value("N", "num hard quota"),
            value("B", "bytes hard quota"),
        ]),
        group: Group::ExactlyOne,
        shows_options: false,
    },
    with("stat", "[-w] path", &[flag("w", "watch")]),
    with("sync", "path", NO_OPTIONS),
    with("version", "", NO_OPTIONS),
    plain("whoami", ""),
];

/// Names of 3.4 and 3.5 that 3.9 has dropped; understood, and not listed.
pub(super) static OLD_COMMANDS: &[Command] = &[
    with("ls2", "path [watch]", LS),
    with("rmr", "path", DELETE_ALL),
];

pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().chain(OLD_COMMANDS).find(|c| c.name == name)
}

/// Java's `usage()`.
pub(super) fn print_usage() {
    err!("ZooKeeper -server host:port -client-configuration properties-file cmd args");
    for command in COMMANDS {
        err!("\t{} {}", command.name, command.usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_sorted_as_java_sorts_them() {
        assert!(COMMANDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let get = find("get").unwrap().usage_text();
        assert!(
            get.starts_with("get [-s] [-w] [-b] [-x] path\n -b   Output data"),
            "{get}"
        );
        let set = find("set").unwrap().usage_text();
        assert!(
            set.ends_with(" -v <arg>   Set with an expected version\n"),
            "{set}"
        );
    }
}
