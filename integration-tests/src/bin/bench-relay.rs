//! One of the three processes of the benchmark's bare relay: `bench-relay NUMBER CLIENTS QUORUM FILE`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use integration_tests::bench::relay;

#[derive(Debug, Parser)]
struct Args {
    number: usize,
    /// where clients come
    clients: std::net::SocketAddr,
    /// where number 0 listens for the others
    quorum: std::net::SocketAddr,
    /// what stands for the log
    file: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    relay::serve(args.number, args.clients, args.quorum, &args.file)
}
