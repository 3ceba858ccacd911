//! Session, registration and the right to serve as one state machine: what happened goes in, what
//! to do next comes out. No I/O, no clock. Replaces the scattered handling of expiry in
//! kafka.zookeeper.ZooKeeperClient, KafkaZkClient.registerBroker and KafkaController.

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// the former run's session is closed, or had ended already
    OldClosed,
    Connected,
    /// the session has expired, or could not be had
    Ended,
    Registered,
    /// the broker id is registered by somebody else, in words
    Taken(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// close the session that a former run of this broker left
    CloseOld,
    Connect,
    Register,
    RegisterAfter {
        ms: u64,
        because: String,
    },
    /// compete for the controllership and handle watches
    Serve,
    /// give up: this broker cannot start
    Refuse(String),
}

/// Where the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    ClosingOld,
    Connecting,
    Registering { since_ms: u64 },
    Serving,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    phase: Phase,
    /// how long an id may be taken before a start gives up: a former owner's session ends by then
    patience_ms: u64,
    served: bool,
}

impl Lifecycle {
    /// `old`: a former run left its session.
    pub(crate) fn new(old: bool, patience_ms: u64) -> (Self, Next) {
        let (phase, next) = if old {
            (Phase::ClosingOld, Next::CloseOld)
        } else {
            (Phase::Connecting, Next::Connect)
        };
        (
            Self {
                phase,
                patience_ms,
                served: false,
            },
            next,
        )
    }

    pub(crate) fn on(&mut self, seen: Seen, now_ms: u64) -> Next {
        match (self.phase, seen) {
            (_, Seen::Ended) | (Phase::ClosingOld, Seen::OldClosed) => {
                self.phase = Phase::Connecting;
                Next::Connect
            }
            (Phase::Connecting, Seen::Connected) => {
                self.phase = Phase::Registering { since_ms: now_ms };
                Next::Register
            }
            (Phase::Registering { .. }, Seen::Registered) => {
                self.phase = Phase::Serving;
                self.served = true;
                Next::Serve
            }
            (Phase::Registering { since_ms }, Seen::Taken(by)) => {
                // one that has served keeps trying: its data is here, its leaderships wait
                if !self.served && now_ms.saturating_sub(since_ms) >= self.patience_ms {
                    return Next::Refuse(format!(
                        "this broker's id is taken {by}: give each broker its own broker.id"
                    ));
                }
                Next::RegisterAfter {
                    ms: 500,
                    because: by,
                }
            }
            (Phase::ClosingOld, _) => Next::CloseOld,
            (Phase::Connecting, _) => Next::Connect,
            (Phase::Registering { .. }, _) => Next::Register,
            (Phase::Serving, _) => Next::Serve,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_closes_its_own_session_first() {
        let (mut life, next) = Lifecycle::new(true, 1000);
        assert_eq!(next, Next::CloseOld);
        assert_eq!(life.on(Seen::OldClosed, 0), Next::Connect);
        assert_eq!(life.on(Seen::Connected, 5), Next::Register);
        assert_eq!(life.on(Seen::Registered, 6), Next::Serve);
        // expiry: everything again, but for the old session
        assert_eq!(life.on(Seen::Ended, 7), Next::Connect);
        assert_eq!(life.on(Seen::Connected, 8), Next::Register);
    }

    #[test]
    fn a_taken_id_is_waited_for_and_then_refused() {
        let (mut life, next) = Lifecycle::new(false, 1000);
        assert_eq!(next, Next::Connect);
        life.on(Seen::Connected, 100);
        let taken = || Seen::Taken("by h:9092".into());
        assert!(matches!(life.on(taken(), 200), Next::RegisterAfter { .. }));
        assert!(matches!(life.on(taken(), 1100), Next::Refuse(why) if why.contains("by h:9092")));
    }

    #[test]
    fn one_that_has_served_never_gives_up() {
        let (mut life, _) = Lifecycle::new(false, 1000);
        life.on(Seen::Connected, 0);
        life.on(Seen::Registered, 0);
        life.on(Seen::Ended, 0);
        life.on(Seen::Connected, 0);
        let taken = Seen::Taken("by h:9092".into());
        assert!(matches!(life.on(taken, 99_999), Next::RegisterAfter { .. }));
    }
}
