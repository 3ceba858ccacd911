#!/usr/bin/env bash
# Ours and Apache's servers side by side: bench.sh [--loads zookeeper,kafka] [--rounds N] [--seconds S]
# Prints a table of ratios. Needs a JDK and Maven, as the tests do.
set -euo pipefail
case ${1:-} in
  -h | --help)
    echo "usage: bench.sh [--loads zookeeper,kafka] [--rounds N] [--seconds S]"
    exit 0
    ;;
esac
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
. scripts/setup.sh
need_rust
cargo build --release --locked --bins
exec target/release/bench "$@"
