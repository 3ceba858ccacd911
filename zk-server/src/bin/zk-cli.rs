//! `zkCli.sh`'s program: see `zk_server::cli`.

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    zk_server::cli::run(&args)
}
