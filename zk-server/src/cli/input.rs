//! Where command lines come from: a terminal, with editing, history and completion (Java: JLine,
//! `JLineZNodeCompleter`), or a pipe, which sees the same prompts.

use std::io::{BufRead, IsTerminal, Write};

use driver::zk_client::ZkClient;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use tokio::runtime::Handle;

use super::table::COMMANDS;
use super::words::unescape;

/// Completes names of commands, and paths of znodes that the server knows.
pub(super) struct ZnodeCompleter {
    runtime: Handle,
    pub(super) zk: Option<ZkClient>,
}

impl ZnodeCompleter {
    fn paths(&self, token: &str) -> Vec<String> {
        let Some(zk) = self.zk.as_ref().filter(|zk| zk.state().is_connected()) else {
            return Vec::new();
        };
        let at = token.rfind('/').unwrap_or(0);
        let dir = if at == 0 { "/" } else { &token[..at] };
        let prefix = &token[at + 1..];
        let Ok((children, _)) = self.runtime.block_on(zk.get_children(dir, false)) else {
            return Vec::new();
        };
        let matching = children.iter().filter(|child| child.starts_with(prefix));
        let mut paths: Vec<_> = matching
            .map(|child| format!("{}/{child}", &token[..at]))
            .collect();
        paths.sort();
        paths
    }
}

impl Completer for ZnodeCompleter {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let start = line[..pos].rfind(' ').map_or(0, |at| at + 1);
        let token = &line[start..pos];
        let candidates = if token.starts_with('/') {
            self.paths(token)
        } else {
            let names = COMMANDS.iter().map(|command| command.name);
            names
                .filter(|name| name.starts_with(token))
                .map(str::to_owned)
                .collect()
        };
        Ok((start, candidates))
    }
}

impl Helper for ZnodeCompleter {}
impl Hinter for ZnodeCompleter {
    type Hint = String;
}
impl Highlighter for ZnodeCompleter {}
impl Validator for ZnodeCompleter {}

/// Lines of a terminal or of a pipe.
pub(super) enum Input {
    Terminal(Box<Editor<ZnodeCompleter, DefaultHistory>>),
    Pipe,
}

impl Input {
    /// The input of this process.
    pub(super) fn open(runtime: &Handle) -> Self {
        if !std::io::stdin().is_terminal() {
            return Self::Pipe;
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            // Lines that are pasted together are commands one after the other.
            .bracketed_paste(false)
            .build();
        let editor = Editor::<ZnodeCompleter, DefaultHistory>::with_config(config);
        let Ok(mut editor) = editor else {
            return Self::Pipe;
        };
        editor.set_helper(Some(ZnodeCompleter {
            runtime: runtime.clone(),
            zk: None,
        }));
        Self::Terminal(Box::new(editor))
    }

    /// The server that completion asks.
    pub(super) fn set_client(&mut self, zk: Option<ZkClient>) {
        let Self::Terminal(editor) = self else {
            return;
        };
        if let Some(helper) = editor.helper_mut() {
            helper.zk = zk;
        }
    }

    /// The next line; `None` at the end of the input.
    pub(super) fn line(&mut self, prompt: &str) -> Option<String> {
        self.raw_line(prompt).map(|line| unescape(&line))
    }

    fn raw_line(&mut self, prompt: &str) -> Option<String> {
        match self {
            Self::Pipe => {
                let mut out = std::io::stdout().lock();
                // Whoever reads it may be gone.
                let _ = out.write_all(prompt.as_bytes()).and_then(|()| out.flush());
                drop(out);
                let mut line = Vec::new();
                let read = std::io::stdin().lock().read_until(b'\n', &mut line);
                if !read.is_ok_and(|n| n > 0) {
                    return None;
                }
                let line = String::from_utf8_lossy(&line);
                Some(line.trim_end_matches(['\n', '\r']).to_owned())
            }
            Self::Terminal(editor) => loop {
                match editor.readline(prompt) {
                    Ok(line) => {
                        // A history that is full forgets its oldest line.
                        let _ = editor.add_history_entry(&line);
                        return Some(line);
                    }
                    // Ctrl-C gives the line up, Ctrl-D ends.
                    Err(ReadlineError::Interrupted) => {}
                    Err(_) => return None,
                }
            },
        }
    }
}
