//! The walkthroughs of five tutorials, each as far as one node goes: their commands run as they
//! stand there (folders and ports mapped to a lab's own, see `lab`) against our services, with our
//! tools and with Apache's, and their client programs as written anew under `scenarios/seeds`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test: drives real processes"
)]

mod brokers;
mod cluster;
mod confluent;
mod lab;
mod programs;
mod single_node;
mod zookeeper;
