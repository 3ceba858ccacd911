//! The flags of `kafka-consumer-groups`, and which of them go together.

use clap::Parser;

use crate::tools::options::{AdminServers, VERSION};

pub(super) const ABOUT: &str = "This tool helps to list all consumer groups, describe a consumer \
    group, delete consumer group info, or reset consumer group offsets.";

#[derive(Debug, Parser)]
#[command(
    about = ABOUT,
    infer_long_args = true,
    version = VERSION,
    max_term_width = 100
)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) admin: AdminServers,
    /// The group; may be given several times
    #[arg(long, value_name = "consumer group")]
    pub(super) group: Vec<String>,
    /// All groups
    #[arg(long)]
    pub(super) all_groups: bool,
    /// A topic, or topic:0,1,2; may be given several times
    #[arg(long)]
    pub(super) topic: Vec<String>,
    /// All topics that the group has offsets of
    #[arg(long)]
    pub(super) all_topics: bool,
    /// List all groups
    #[arg(long)]
    pub(super) list: bool,
    /// Describe groups, and how far behind they are
    #[arg(long)]
    pub(super) describe: bool,
    /// Delete groups
    #[arg(long)]
    pub(super) delete: bool,
    /// Set the offsets of groups without active members
    #[arg(long)]
    pub(super) reset_offsets: bool,
    /// Delete offsets of a group
    #[arg(long)]
    pub(super) delete_offsets: bool,
    /// Milliseconds that a request may take
    #[arg(long, value_name = "timeout (ms)")]
    pub(super) timeout: Option<u64>,
    /// Only show what --reset-offsets would do
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do what --reset-offsets shows
    #[arg(long)]
    pub(super) execute: bool,
    /// Show as lines of CSV
    #[arg(long)]
    pub(super) export: bool,
    /// Reset to this offset
    #[arg(long, value_name = "offset", allow_negative_numbers = true)]
    pub(super) to_offset: Option<i64>,
    /// Reset to the offsets of a CSV file
    #[arg(long, value_name = "path to CSV file")]
    pub(super) from_file: Option<String>,
    /// Reset to a time: YYYY-MM-DDTHH:mm:SS.sss
    #[arg(long, value_name = "datetime")]
    pub(super) to_datetime: Option<String>,
    /// Reset to so long ago: PnDTnHnMnS
    #[arg(long, value_name = "duration")]
    pub(super) by_duration: Option<String>,
    /// Reset to the earliest offset
    #[arg(long)]
    pub(super) to_earliest: bool,
    /// Reset to the latest offset
    #[arg(long)]
    pub(super) to_latest: bool,
    /// Reset to the committed offset
    #[arg(long)]
    pub(super) to_current: bool,
    /// Shift the committed offset by n
    #[arg(long, value_name = "number-of-offsets", allow_negative_numbers = true)]
    pub(super) shift_by: Option<i64>,
    /// Describe the members
    #[arg(long)]
    pub(super) members: bool,
    /// With --members, also what they are assigned
    #[arg(long)]
    pub(super) verbose: bool,
    /// Describe the offsets (also without this flag)
    #[arg(long)]
    pub(super) offsets: bool,
    /// Describe the state; with --list, show it, or list only groups in these states
    #[arg(long, num_args = 0..=1, default_missing_value = "", value_name = "String")]
    pub(super) state: Option<String>,
    /// With --list, show the type, or list only groups of these types
    #[arg(long = "type", num_args = 0..=1, default_missing_value = "", value_name = "String")]
    pub(super) group_type: Option<String>,
    /// Accepted as 0.9 to 1.1 did: there are no others
    #[arg(long, hide = true)]
    new_consumer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    List,
    Describe,
    Delete,
    ResetOffsets,
    DeleteOffsets,
}

const DRY_RUN: &str = "WARN: No action will be performed as the --execute option is missing.In a \
    future major release, the default behavior of this command will be to prompt the user before \
    executing the reset rather than doing a dry run. You should add the --dry-run option \
    explicitly if you are scripting this command and want to keep the current default behavior \
    without prompting.";

impl Options {
    /// What is to be done, or which flags are missing or do not go together.
    pub(super) fn check(&self) -> Result<Action, String> {
        if self.admin.servers.bootstrap_server.is_none() {
            return Err("Missing required argument \"[bootstrap-server]\"".to_owned());
        }
        let chosen: Vec<Action> = [
            (self.list, Action::List),
            (self.describe, Action::Describe),
            (self.delete, Action::Delete),
            (self.reset_offsets, Action::ResetOffsets),
            (self.delete_offsets, Action::DeleteOffsets),
        ]
        .into_iter()
        .filter_map(|(given, action)| given.then_some(action))
        .collect();
        let [action] = chosen[..] else {
            return Err(
                "Command must include exactly one action: --list, --describe, --delete, \
                 --reset-offsets, --delete-offsets"
                    .to_owned(),
            );
        };
        self.check_availability(action)?;
        let no_group = self.group.is_empty() && !self.all_groups;
        let scope = "[group], [all-groups]";
        match action {
            Action::List if !self.group.is_empty() => {
                return Err("Option \"[group]\" can't be used with option \"[list]\"".to_owned());
            }
            Action::Describe if no_group => {
                return Err(format!(
                    "Option [describe] takes one of these options: {scope}"
                ));
            }
            Action::Describe
                if [self.members, self.offsets, self.state.is_some()]
                    .iter()
                    .filter(|given| **given)
                    .count()
                    > 1 =>
            {
                return Err(
                    "Option [describe] takes at most one of these options: [members], [offsets], \
                     [state]"
                        .to_owned(),
                );
            }
            Action::Describe if self.state.as_ref().is_some_and(|s| !s.is_empty()) => {
                return Err("Option [describe] does not take a value for [state]".to_owned());
            }
            Action::Delete if no_group => {
                return Err(format!(
                    "Option [delete] takes one of these options: {scope}"
                ));
            }
            Action::Delete if !self.topic.is_empty() => {
                return Err(
                    "The consumer does not support topic-specific offset deletion from a consumer \
                     group."
                        .to_owned(),
                );
            }
            Action::DeleteOffsets if self.group.is_empty() || self.topic.is_empty() => {
                return Err(
                    "Option [delete-offsets] takes the following options: [group], [topic]"
                        .to_owned(),
                );
            }
            Action::ResetOffsets => self.check_reset(no_group)?,
            _ => {}
        }
        if !self.group.is_empty() && self.all_groups {
            return Err("Option \"[group]\" can't be used with option \"[all-groups]\"".to_owned());
        }
        Ok(action)
    }

    fn check_availability(&self, action: Action) -> Result<(), String> {
        let describing = action == Action::Describe;
        for (given, name, fits) in [
            (self.members, "members", describing),
            (self.verbose, "verbose", describing),
            (self.offsets, "offsets", describing),
            (
                self.state.is_some(),
                "state",
                describing || action == Action::List,
            ),
            (self.group_type.is_some(), "type", action == Action::List),
        ] {
            if given && !fits {
                return Err(format!(
                    "Option(s) [{name}] are unavailable given other options on the command line"
                ));
            }
        }
        Ok(())
    }

    fn check_reset(&self, no_group: bool) -> Result<(), String> {
        if self.dry_run && self.execute {
            return Err(
                "Option [reset-offsets] only accepts one of [execute] and [dry-run]".to_owned(),
            );
        }
        if !self.dry_run && !self.execute {
            eprintln!("{DRY_RUN}");
        }
        if no_group {
            return Err(
                "Option [reset-offsets] takes one of these options: [group], [all-groups]"
                    .to_owned(),
            );
        }
        let given: Vec<&str> = [
            ("to-offset", self.to_offset.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("to-current", self.to_current),
            ("shift-by", self.shift_by.is_some()),
            ("from-file", self.from_file.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
        match given[..] {
            [] => Err(
                "Option '[reset-offsets]' requires one of the following scenarios: [to-offset], \
                 [shift-by], [to-datetime], [by-duration], [to-earliest], [to-latest], \
                 [to-current], [from-file]"
                    .to_owned(),
            ),
            [one, other, ..] => Err(format!(
                "Option \"[{one}]\" can't be used with option \"[{other}]\""
            )),
            ["from-file"] => Ok(()),
            _ if self.topic.is_empty() && !self.all_topics => {
                Err("One of the reset scopes should be defined: --all-topics, --topic.".to_owned())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &str) -> Result<Action, String> {
        let all = format!("tool --bootstrap-server a:1 {args}");
        Options::try_parse_from(all.split_whitespace())
            .unwrap()
            .check()
    }

    #[test]
    fn flags_and_their_company() {
        assert_eq!(check("--list --state"), Ok(Action::List));
        assert_eq!(
            check("--list --state stable,empty --type"),
            Ok(Action::List)
        );
        assert_eq!(
            check("--describe --all-groups --members --verbose"),
            Ok(Action::Describe)
        );
        let reset = "--reset-offsets --dry-run --group g";
        assert_eq!(
            check(&format!("{reset} --all-topics --shift-by -2")),
            Ok(Action::ResetOffsets)
        );
        assert!(
            check("--list --describe")
                .unwrap_err()
                .starts_with("Command must")
        );
        assert!(
            check("--list --members")
                .unwrap_err()
                .starts_with("Option(s) [members]")
        );
        assert!(
            check("--describe")
                .unwrap_err()
                .ends_with("[group], [all-groups]")
        );
        assert!(
            check(&format!("{reset} --to-latest"))
                .unwrap_err()
                .starts_with("One of the")
        );
        assert!(
            check(&format!("{reset} --topic t"))
                .unwrap_err()
                .contains("scenarios")
        );
        assert!(
            check(&format!("{reset} --topic t --to-latest --to-current"))
                .unwrap_err()
                .contains("can't be used with")
        );
        assert!(check("--delete --group g --topic t").is_err());
    }
}
