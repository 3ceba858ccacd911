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
# What was just built, also where another build is newer.
TEST_BIN_DIR=$(realpath "${CARGO_TARGET_DIR:-target}/release")
export TEST_BIN_DIR
exec "$TEST_BIN_DIR/bench" --binaries "$TEST_BIN_DIR" --record integration-tests/benchmarks.md "$@"
