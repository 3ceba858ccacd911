//! Tells the operator of a member without a leader whom it hears and whom it does not. Java's servers
//! only repeat `LOOKING` and, for each try, that a channel cannot be opened. Said once, then once a minute,
//! and when it is over.

use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use crate::election::links::Contact;
use crate::quorum::View;

use super::clock::Clock;
use super::core::Core;

/// Others are given so long to be there.
const PATIENCE_US: u64 = 2_000_000;
/// A quorum that is heard elects a leader within this.
const ELECTION_US: u64 = 15_000_000;
const TELL_AGAIN_US: u64 = 60_000_000;
/// Others may have begun to look for a leader so much earlier, and have told of it then.
const BEFORE_US: u64 = 10_000_000;
/// Who looks for a leader says so at least once a minute.
const SILENT_US: u64 = 130_000_000;

/// What a member knows of the others at a moment.
#[derive(Debug, Clone, Copy)]
struct Roll<'a> {
    me: i64,
    view: &'a View,
    contacts: &'a [Contact],
    /// since when there is no leader that this server serves under
    looking_since: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Warn(String),
    Info(String),
}

/// What was told.
#[derive(Debug, Default)]
struct RollCall {
    /// since when there is no quorum, and when that was told last
    lost: Option<(u64, u64)>,
    /// when it was told that a quorum elects nobody
    stuck: Option<u64>,
}

impl RollCall {
    fn look(&mut self, roll: Roll<'_>, now_us: u64) -> Option<Line> {
        let Some(since) = roll.looking_since else {
            self.stuck = None;
            return self.found(roll, now_us, &roll.heard(0, now_us));
        };
        let heard = roll.heard(since, now_us);
        if roll.view.is_quorum(&heard) {
            let due = self.stuck.map(|told| told + TELL_AGAIN_US);
            if now_us >= due.unwrap_or(since + ELECTION_US) {
                self.stuck = Some(now_us);
                return Some(Line::Warn(roll.stuck(&heard, (now_us - since) / 1_000_000)));
            }
            return self.found(roll, now_us, &heard);
        }
        let told = self.lost.map(|(_, told)| told);
        let due = told.map_or(since + PATIENCE_US, |told| told + TELL_AGAIN_US);
        if now_us < due {
            return None;
        }
        let begun = self.lost.map_or(since, |(begun, _)| begun);
        self.lost = Some((begun, now_us));
        Some(Line::Warn(roll.lost(&heard, begun, now_us)))
    }

    fn found(&mut self, roll: Roll<'_>, now_us: u64, heard: &BTreeSet<i64>) -> Option<Line> {
        let (begun, _) = self.lost.take()?;
        Some(Line::Info(format!(
            "A quorum is back after {} s: {}",
            (now_us - begun) / 1_000_000,
            roll.heard_text(heard)
        )))
    }
}

impl Roll<'_> {
    /// Voters that are there: this one, and those with a connection that have said something.
    fn heard(&self, since: u64, now_us: u64) -> BTreeSet<i64> {
        let from = since.saturating_sub(BEFORE_US);
        let from = from.max(now_us.saturating_sub(SILENT_US));
        // With a leader nobody has anything to say.
        let from = self.looking_since.map_or(0, |_| from);
        let there =
            |contact: &&Contact| contact.connected && contact.heard_at.is_some_and(|at| at >= from);
        let others = self.contacts.iter().filter(there).map(|c| c.server);
        let all = others.chain([self.me]);
        all.filter(|id| self.view.is_voter(*id)).collect()
    }

    fn heard_text(&self, heard: &BTreeSet<i64>) -> String {
        let ids: Vec<String> = heard.iter().map(i64::to_string).collect();
        let ids = match ids.is_empty() {
            true => String::new(),
            false => format!(" ({})", ids.join(", ")),
        };
        let voters = self.view.voters().len();
        let needed = match self.view.config().hierarchical {
            true => "more than half of the weight in more than half of the groups".to_owned(),
            false => (voters / 2 + 1).to_string(),
        };
        format!(
            "{} of {voters} servers heard{ids}, {needed} needed",
            heard.len()
        )
    }

    fn lost(&self, heard: &BTreeSet<i64>, begun: u64, now_us: u64) -> String {
        let missing: Vec<String> = self
            .view
            .voters()
            .iter()
            .filter(|id| !heard.contains(id))
            .map(|id| self.missing(*id, now_us))
            .collect();
        format!(
            "No quorum for {} s, clients wait: {}; not heard: {}",
            (now_us - begun) / 1_000_000,
            self.heard_text(heard),
            missing.join("; ")
        )
    }

    fn missing(&self, id: i64, now_us: u64) -> String {
        let Some(contact) = self.contacts.iter().find(|contact| contact.server == id) else {
            return format!("server {id}");
        };
        let ago = |at: u64| now_us.saturating_sub(at) / 1_000_000;
        let addresses: Vec<String> = contact.addresses.iter().map(ToString::to_string).collect();
        let at = addresses.join("|");
        match (&contact.failing, contact.connected, contact.heard_at) {
            // the reason names the address that was tried
            (Some((since, why)), ..) => format!("server {id} at {why}, for {} s", ago(*since)),
            (None, true, Some(last)) => {
                format!("server {id} at {at}: connected, silent for {} s", ago(last))
            }
            (None, true, None) => format!("server {id} at {at}: connected, has said nothing"),
            (None, false, _) => format!("server {id} at {at}: no answer yet"),
        }
    }

    fn stuck(&self, heard: &BTreeSet<i64>, seconds: u64) -> String {
        format!(
            "No leader for {seconds} s, clients wait, although {}: see the lines before this one and the \
             logs of those servers; their server lines must be the same, and each must reach the first \
             port of the others' lines",
            self.heard_text(heard)
        )
    }
}

/// Looks once a second, as long as the core lives.
pub(super) async fn run(core: Weak<Core>, clock: Clock) {
    let mut calls = RollCall::default();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        let Some(core) = core.upgrade() else { return };
        let Some(ensemble) = core.ensemble() else {
            return;
        };
        let looking_since = ensemble.figures().looking_since_us();
        if looking_since.is_none() && calls.lost.is_none() {
            calls.stuck = None;
            continue;
        }
        let view = ensemble.view();
        let roll = Roll {
            me: ensemble.me(),
            view: &view,
            contacts: &ensemble.election.contacts(),
            looking_since,
        };
        match calls.look(roll, clock.now().mono_us) {
            Some(Line::Warn(text)) => tracing::warn!("{text}"),
            Some(Line::Info(text)) => tracing::info!("{text}"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::quorum::Address;

    use super::*;

    const S: u64 = 1_000_000;

    fn view(groups: &str) -> View {
        let lines = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\n";
        View::parse("zoo.cfg", format!("{lines}{groups}").as_bytes(), false).unwrap()
    }

    fn contact(server: i64, heard_at: Option<u64>) -> Contact {
        let host = ["", "a", "b", "c", "d"][server as usize].to_owned();
        Contact {
            server,
            addresses: vec![Address { host, port: 2 }],
            connected: heard_at.is_some(),
            heard_at,
            failing: None,
        }
    }

    fn refused(server: i64, since: u64) -> Contact {
        Contact {
            failing: Some((since, "b:2: Connection refused".to_owned())),
            ..contact(server, None)
        }
    }

    fn look(
        calls: &mut RollCall,
        contacts: &[Contact],
        since: Option<u64>,
        now: u64,
    ) -> Option<Line> {
        let view = view("");
        let roll = Roll {
            me: 1,
            view: &view,
            contacts,
            looking_since: since,
        };
        calls.look(roll, now)
    }

    #[test]
    fn a_quorum_that_is_lost_is_told_once_a_minute_and_when_it_is_back() {
        let mut calls = RollCall::default();
        let mut contacts = [
            refused(2, 9 * S),
            contact(3, None),
            contact(4, Some(20 * S)),
        ];
        let since = Some(10 * S);
        assert_eq!(look(&mut calls, &contacts, since, 11 * S), None);
        let told = look(&mut calls, &contacts, since, 12 * S).unwrap();
        assert_eq!(
            told,
            Line::Warn(
                "No quorum for 2 s, clients wait: 1 of 3 servers heard (1), 2 needed; not heard: \
                 server 2 at b:2: Connection refused, for 3 s; server 3 at c:2: no answer yet"
                    .to_owned()
            )
        );
        assert_eq!(look(&mut calls, &contacts, since, 13 * S), None);
        assert_eq!(look(&mut calls, &contacts, since, 71 * S), None);
        let again = look(&mut calls, &contacts, since, 72 * S).unwrap();
        assert!(matches!(again, Line::Warn(line) if line.starts_with("No quorum for 62 s")));
        contacts[1] = contact(3, Some(80 * S));
        assert_eq!(
            look(&mut calls, &contacts, None, 80 * S).unwrap(),
            Line::Info(
                "A quorum is back after 70 s: 2 of 3 servers heard (1, 3), 2 needed".to_owned()
            )
        );
        assert_eq!(look(&mut calls, &contacts, None, 81 * S), None);
    }

    #[test]
    fn one_that_was_heard_before_is_not_there_for_that() {
        let mut calls = RollCall::default();
        // Its connection stands, behind a broken network.
        let contacts = [contact(2, Some(5 * S)), contact(3, Some(6 * S))];
        let told = look(&mut calls, &contacts, Some(90 * S), 93 * S).unwrap();
        let Line::Warn(told) = told else { panic!() };
        assert!(
            told.contains("server 2 at b:2: connected, silent for 88 s"),
            "{told}"
        );
        // What it said in this election counts for some time.
        let contacts = [contact(2, Some(92 * S)), contact(3, None)];
        assert!(matches!(
            look(&mut calls, &contacts, Some(90 * S), 95 * S),
            Some(Line::Info(_))
        ));
        let mut calls = RollCall::default();
        let late = look(&mut calls, &contacts, Some(90 * S), 300 * S);
        assert!(matches!(late, Some(Line::Warn(line)) if line.starts_with("No quorum")));
    }

    #[test]
    fn a_quorum_without_a_leader_is_told_of_too() {
        let mut calls = RollCall::default();
        let since = Some(10 * S);
        let at = |now| [contact(2, Some(now)), contact(3, None)];
        assert_eq!(look(&mut calls, &at(24 * S), since, 24 * S), None);
        let told = look(&mut calls, &at(25 * S), since, 25 * S);
        assert!(
            matches!(&told, Some(Line::Warn(line)) if line.starts_with(
                "No leader for 15 s, clients wait, although 2 of 3 servers heard (1, 2), 2 needed: see")),
            "{told:?}"
        );
        assert_eq!(look(&mut calls, &at(84 * S), since, 84 * S), None);
        assert!(look(&mut calls, &at(85 * S), since, 85 * S).is_some());
    }

    #[test]
    fn groups_are_counted_by_their_rule() {
        let view = view("group.1=1:2:3\nweight.1=0\n");
        let contacts = [contact(2, Some(S)), contact(3, None)];
        let roll = Roll {
            me: 1,
            view: &view,
            contacts: &contacts,
            looking_since: Some(S),
        };
        let Some(Line::Warn(told)) = RollCall::default().look(roll, 4 * S) else {
            panic!()
        };
        assert!(
            told.contains("2 of 3 servers heard (1, 2), more than half of the weight"),
            "{told}"
        );
    }
}
