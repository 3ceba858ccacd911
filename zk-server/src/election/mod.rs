//! Who leads (Java: `FastLeaderElection`). Pure: notifications in, notifications and a decision
//! out.
