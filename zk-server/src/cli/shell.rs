//! The program: arguments, the loop of the prompt, and the commands that are about the shell
//! itself: history, redo, printwatches, connect, close, quit (Java: `ZooKeeperMain`).

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driver::zk_client::{ClientConfig, ZkClient, ZkEvent, ZkEvents};
use proto::properties::Properties;
use tokio::runtime::Runtime;

use super::fail::Failure;
use super::input::Input;
use super::options::{Parsed, parse};
use super::table::{Command, find, print_usage};
use super::{access, ensemble, nodes, quota, text, watching, words};

/// How long the first prompt waits for a session, so that it need not say CONNECTING.
const PROMPT_WAIT: Duration = Duration::from_secs(1);
const INVALID_INVOCATION: i32 = 2;

/// The program's arguments: its own options, then one command, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arguments {
    server: String,
    timeout: String,
    read_only: bool,
    wait: bool,
    client_configuration: Option<String>,
    command: Vec<String>,
}

impl Arguments {
    fn parse(args: &[String]) -> Self {
        let mut parsed = Self {
            server: "localhost:2181".to_owned(),
            timeout: "30000".to_owned(),
            read_only: false,
            wait: false,
            client_configuration: None,
            command: Vec::new(),
        };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            let mut value = || {
                let value = rest.next().cloned();
                if value.is_none() {
                    err!("Error: no argument found for option {option}");
                }
                value
            };
            match option.as_str() {
                "-server" => parsed.server = value().unwrap_or(parsed.server),
                "-timeout" => parsed.timeout = value().unwrap_or(parsed.timeout),
                "-client-configuration" | "-zk-tls-config-file" => {
                    parsed.client_configuration = value();
                }
                "-r" => parsed.read_only = true,
                "-waitforconnection" => parsed.wait = true,
                // Unknown options are passed over, as in Java.
                other if other.starts_with('-') => {}
                _ => {
                    parsed.command = std::iter::once(option).chain(rest).cloned().collect();
                    break;
                }
            }
        }
        parsed
    }
}

/// Settings that Java takes from `-D` flags and from `-client-configuration`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    max_buffer: Option<usize>,
}

impl Settings {
    fn collect(file: Option<&str>) -> Result<Self, String> {
        let mut settings = Self::default();
        for variable in ["CLIENT_JVMFLAGS", "JVMFLAGS"] {
            let flags = std::env::var(variable).unwrap_or_default();
            let definitions = flags
                .split_whitespace()
                .filter_map(|f| f.strip_prefix("-D"));
            for (key, value) in definitions.filter_map(|d| d.split_once('=')) {
                settings.take(key, value, variable)?;
            }
        }
        if let Some(file) = file {
            let bytes = std::fs::read(Path::new(file))
                .map_err(|error| format!("client configuration {file}: {error}"))?;
            let properties = Properties::parse(file, &bytes).map_err(|error| error.to_string())?;
            for property in properties.iter() {
                let place = format!("{file}, line {}", property.line);
                settings.take(&property.key, &property.value, &place)?;
            }
        }
        Ok(settings)
    }

    fn take(&mut self, key: &str, value: &str, place: &str) -> Result<(), String> {
        let value = value.trim();
        match key {
            "jute.maxbuffer" => {
                let bytes = value.parse().map_err(|_| {
                    format!("{place}: jute.maxbuffer={value} is not a number of bytes")
                })?;
                self.max_buffer = Some(bytes);
                Ok(())
            }
            "zookeeper.client.secure" if value.eq_ignore_ascii_case("true") => Err(format!(
                "{place}: zookeeper.client.secure=true asks for TLS, which this client does not speak: set it to false and connect to the clientPort"
            )),
            _ => Ok(()),
        }
    }
}

/// The events of one connection: taken by the task that prints them while a line is awaited,
/// otherwise by [`Shell::while_printing`].
type SharedEvents = Arc<tokio::sync::Mutex<ZkEvents>>;

/// Prints events, unless `printwatches off`; as in Java also into a line that is being typed.
#[derive(Clone)]
struct Watcher {
    enabled: Arc<AtomicBool>,
}

impl Watcher {
    fn print(&self, event: &ZkEvent) {
        if self.enabled.load(Ordering::Relaxed) {
            out!("{}", text::event(event));
        }
    }

    async fn print_all(&self, events: &SharedEvents) {
        let mut events = events.lock().await;
        while let Some(event) = events.recv().await {
            self.print(&event);
        }
    }
}

struct Shell {
    runtime: Runtime,
    config: ClientConfig,
    wait: bool,
    host: String,
    zk: ZkClient,
    events: SharedEvents,
    watcher: Watcher,
    history: Vec<String>,
    exit_code: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Exit,
}

/// Runs the program with its arguments and ends the process: as with Java, a session that was not
/// closed stays at the server until it expires.
pub fn run(args: &[String]) -> ! {
    let arguments = Arguments::parse(args);
    let code = match start(&arguments) {
        Ok((mut shell, input)) => shell.run(arguments.command, input),
        Err(failure) => {
            err!("{}", failure.message);
            failure.code
        }
    };
    std::process::exit(code)
}

fn start(arguments: &Arguments) -> Result<(Shell, Option<Input>), Failure> {
    let settings =
        Settings::collect(arguments.client_configuration.as_deref()).map_err(|message| {
            Failure {
                message,
                code: INVALID_INVOCATION,
            }
        })?;
    let timeout: i32 = arguments.timeout.parse().map_err(|_| {
        let text = &arguments.timeout;
        Failure::new(format!("-timeout {text} is not a number of milliseconds"))
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    let timeout = Duration::from_millis(timeout.max(0).unsigned_abs().into());
    let mut config = ClientConfig::new(&arguments.server, timeout);
    config.read_only = arguments.read_only;
    config.expire_unheard = true;
    config.max_frame = settings.max_buffer.unwrap_or(config.max_frame);

    out!("Connecting to {}", arguments.server);
    let at_prompt = arguments.command.is_empty();
    let input = at_prompt.then(|| Input::open(runtime.handle()));
    let watcher = Watcher {
        enabled: Arc::new(AtomicBool::new(true)),
    };
    let (zk, events) = connect(&runtime, config.clone())?;
    let shell = Shell {
        runtime,
        host: config.connect.clone(),
        config,
        wait: arguments.wait,
        zk,
        events,
        watcher,
        history: Vec::new(),
        exit_code: 0,
    };
    shell.wait_for_connection()?;
    Ok((shell, input))
}

fn connect(runtime: &Runtime, config: ClientConfig) -> Result<(ZkClient, SharedEvents), Failure> {
    let _inside = runtime.enter();
    let (zk, events) =
        ZkClient::connect(config).map_err(|error| Failure::new(error.to_string()))?;
    Ok((zk, Arc::new(tokio::sync::Mutex::new(events))))
}

impl Shell {
    /// One command of the arguments, or the prompt; the exit code.
    fn run(&mut self, command: Vec<String>, input: Option<Input>) -> i32 {
        let Some(mut input) = input else {
            self.process(&command);
            return self.exit_code;
        };
        out!("Welcome to ZooKeeper!");
        out!("JLine support is enabled");
        self.settle();
        loop {
            input.set_client(Some(self.zk.clone()));
            let Some(line) = self.line(&mut input) else {
                break;
            };
            if !line.is_empty() && self.execute(line) == Flow::Exit {
                return self.exit_code;
            }
        }
        // What Java prints when its input ends.
        if matches!(input, Input::Pipe) {
            out!("JLine support is disabled");
        }
        self.exit_code
    }

    fn prompt(&self) -> String {
        let state = self.zk.state().java_name();
        format!("[zk: {}({state}) {}] ", self.host, self.history.len())
    }

    /// The next line; events are printed as they come.
    fn line(&self, input: &mut Input) -> Option<String> {
        let (watcher, events) = (self.watcher.clone(), self.events.clone());
        let printing = self
            .runtime
            .spawn(async move { watcher.print_all(&events).await });
        let line = input.line(&self.prompt());
        printing.abort();
        line
    }

    /// Waits for `work`; events that came before its end are printed before it goes on.
    fn while_printing<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let mut events = self.events.lock().await;
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = events.recv() => self.watcher.print(&event),
                    done = &mut work => break done,
                }
            }
        })
    }

    /// Gives a new session a moment to tell that it stands.
    fn settle(&self) {
        let first = self.runtime.block_on(async {
            let mut events = self.events.lock().await;
            tokio::time::timeout(PROMPT_WAIT, events.recv()).await
        });
        if let Ok(Some(event)) = first {
            self.watcher.print(&event);
        }
    }

    /// `-waitforconnection`
    fn wait_for_connection(&self) -> Result<(), Failure> {
        if !self.wait {
            return Ok(());
        }
        let limit = self.config.session_timeout;
        self.while_printing(self.zk.wait_connected(limit))
            .map_err(|error| {
                let (host, ms) = (&self.host, limit.as_millis());
                Failure::new(format!("{error}: no session with {host} within {ms} ms"))
            })
    }

    fn execute(&mut self, line: String) -> Flow {
        let words = words::split(&line);
        self.history.push(line);
        // While it runs, the line's own number is the count.
        self.process(&words)
    }

    fn process(&mut self, words: &[String]) -> Flow {
        match self.command(words) {
            Ok(Flow::Exit) => Flow::Exit,
            Ok(Flow::Continue) => {
                self.exit_code = 0;
                Flow::Continue
            }
            Err(failure) => {
                self.exit_code = failure.code;
                err!("{}", failure.message);
                Flow::Continue
            }
        }
    }

    fn command(&mut self, words: &[String]) -> Result<Flow, Failure> {
        let Some(name) = words.first() else {
            print_usage();
            return Err(Failure::new("No command entered"));
        };
        let Some(command) = find(name) else {
            print_usage();
            return Err(Failure::not_found(name));
        };
        match (command.name, words.get(1)) {
            ("quit", _) => {
                self.close();
                return Ok(Flow::Exit);
            }
            ("redo", Some(number)) if self.redo(number)? == Flow::Exit => {
                return Ok(Flow::Exit);
            }
            ("history", _) => self.print_history(),
            ("printwatches", None) => {
                let enabled = self.watcher.enabled.load(Ordering::Relaxed);
                out!("printwatches is {}", if enabled { "on" } else { "off" });
            }
            ("printwatches", Some(word)) => {
                self.watcher.enabled.store(word == "on", Ordering::Relaxed);
            }
            ("connect", host) => {
                let host = host.cloned().unwrap_or_else(|| self.host.clone());
                self.reconnect(host)?;
            }
            _ => {}
        }
        if !self.zk.state().is_alive() {
            out!("Not connected");
            return Ok(Flow::Continue);
        }
        let parsed = match command.options {
            Some(options) => parse(options, command.group, words).map_err(Failure::new)?,
            None => Parsed::default(),
        };
        if command.name == "close" {
            self.close();
        }
        self.while_printing(carry_out(&self.zk, command, &parsed))?;
        Ok(Flow::Continue)
    }

    fn close(&self) {
        self.while_printing(self.zk.close());
        // The session has ended, so its events end too.
        self.runtime.block_on(self.watcher.print_all(&self.events));
    }

    fn reconnect(&mut self, host: String) -> Result<(), Failure> {
        if self.zk.state().is_alive() {
            self.close();
        }
        self.config.connect.clone_from(&host);
        let (zk, events) = connect(&self.runtime, self.config.clone())?;
        (self.zk, self.events, self.host) = (zk, events, host);
        self.wait_for_connection()?;
        self.settle();
        Ok(())
    }

    fn redo(&mut self, number: &str) -> Result<Flow, Failure> {
        let Ok(index) = number.parse::<i64>() else {
            return Err(Failure::new(format!(
                "redo: \"{number}\" is not a command number"
            )));
        };
        let last = self.history.len().saturating_sub(1);
        let line = usize::try_from(index).ok().filter(|&index| index < last);
        let Some(line) = line.map(|index| self.history[index].clone()) else {
            return Err(Failure::new("Command index out of range"));
        };
        let words = words::split(&line);
        if words.first().is_some_and(|word| word == "redo") {
            return Err(Failure::new("No redoing redos"));
        }
        self.history[last] = line;
        Ok(self.process(&words))
    }

    /// The last ten lines and this one.
    fn print_history(&self) {
        if self.history.is_empty() {
            out!("0 - null");
        }
        let first = self.history.len().saturating_sub(11);
        for (number, line) in self.history.iter().enumerate().skip(first) {
            out!("{number} - {line}");
        }
    }
}

/// The commands that ask the server.
async fn carry_out(zk: &ZkClient, command: &Command, parsed: &Parsed) -> Result<(), Failure> {
    match command.name {
        "addWatch" => watching::add(zk, command, parsed).await,
        "addauth" => access::add_auth(zk, command, parsed).await,
        "config" => ensemble::config(zk, parsed).await,
        "create" => nodes::create(zk, command, parsed).await,
        "delete" => nodes::delete(zk, command, parsed).await,
        "deleteall" | "rmr" => nodes::delete_all(zk, command, parsed).await,
        "delquota" => quota::delete(zk, command, parsed).await,
        "get" => nodes::get(zk, command, parsed).await,
        "getAcl" => access::get_acl(zk, command, parsed).await,
        "getAllChildrenNumber" => nodes::all_children(zk, command, parsed).await,
        "getEphemerals" => nodes::ephemerals(zk, parsed).await,
        "listquota" => quota::list(zk, command, parsed).await,
        "ls" | "ls2" => nodes::ls(zk, command, parsed).await,
        "reconfig" => ensemble::reconfig(zk, command, parsed).await,
        "removewatches" => watching::remove(zk, command, parsed).await,
        "set" => nodes::set(zk, command, parsed).await,
        "setAcl" => access::set_acl(zk, command, parsed).await,
        "setquota" => quota::set(zk, command, parsed).await,
        "stat" => nodes::stat(zk, command, parsed).await,
        "sync" => nodes::sync(zk, command, parsed).await,
        "version" => ensemble::version(command, parsed),
        "whoami" => access::who_am_i(zk).await,
        // About the shell itself: done already.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Arguments::parse(&words)
    }

    #[test]
    fn arguments_end_where_the_command_begins() {
        let parsed = arguments("-server a:1/x -timeout 5000 -r -unknown ls -R /");
        assert_eq!(
            (parsed.server.as_str(), parsed.timeout.as_str()),
            ("a:1/x", "5000")
        );
        assert!(parsed.read_only && !parsed.wait);
        assert_eq!(parsed.command, ["ls", "-R", "/"]);
        let parsed = arguments("-waitforconnection -client-configuration f -server");
        assert_eq!(parsed.server, "localhost:2181");
        assert_eq!(parsed.client_configuration.as_deref(), Some("f"));
        assert!(parsed.wait && parsed.command.is_empty());
    }

    #[test]
    fn settings_come_from_the_configuration_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.cfg");
        let name = file.to_str().unwrap();
        let collect = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::collect(Some(name))
        };
        let settings = collect("jute.maxbuffer = 4096\nzookeeper.client.secure=false\n").unwrap();
        assert_eq!(settings.max_buffer, Some(4096));
        let refused = collect("# TLS\nzookeeper.client.secure=true\n").unwrap_err();
        assert!(refused.starts_with(&format!("{name}, line 2: zookeeper.client.secure=true")));
        let refused = collect("jute.maxbuffer=many\n").unwrap_err();
        assert!(
            refused.contains("line 1: jute.maxbuffer=many is not a number"),
            "{refused}"
        );
        assert!(Settings::collect(Some("/no/such/file")).is_err());
    }
}
