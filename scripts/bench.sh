#!/usr/bin/env bash
# Ours and Apache's servers side by side:
#
#   scripts/bench.sh [--loads zookeeper,ensemble,kafka] [--rounds N] [--seconds S] [--only TEXT] [--dir FOLDER]
#
# Prints a table of ratios and puts it into integration-tests/benchmarks.md. Needs a JDK and Maven, as the tests do.
set -euo pipefail
case ${1:-} in
  -h | --help)
    echo "usage: bench.sh [--loads zookeeper,ensemble,kafka] [--rounds N] [--seconds S] [--only TEXT] [--dir FOLDER]"
    exit 0
    ;;
esac
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
. scripts/setup.sh
need_rust
cargo build --release --locked --bins
exec "${CARGO_TARGET_DIR:-target}/release/bench" --binaries "${CARGO_TARGET_DIR:-target}/release" \
  --record integration-tests/benchmarks.md "$@"
