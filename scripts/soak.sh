#!/usr/bin/env bash
# Simulates ensembles with faults for as long as told, from a new seed on, and prints simulated time, faults and
# histories checked. What fails is printed with its seed: zk-sim --first SEED --trace shows the run.
#
# Before that every mixture of three and five servers, ours and Apache's, goes through its troubles once (a quarter of an
# hour; SOAK_MIXTURES=no leaves it out).
#
#   scripts/soak.sh                 one hour
#   scripts/soak.sh MINUTES
#
# TEST_SEED=N begins with that seed; TEST_THREADS=N runs so many at a time.
set -euo pipefail

case ${1:-60} in
  -h | --help)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
  *[!0-9]*)
    echo "usage: scripts/soak.sh [MINUTES]" >&2
    exit 2
    ;;
esac
minutes=${1:-60}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
# shellcheck source=scripts/setup.sh
. scripts/setup.sh
need_rust
target=${CARGO_TARGET_DIR:-$root/target}
if [ "${SOAK_MIXTURES:-yes}" != no ]; then
  cargo build --release --quiet --bins
  ENSEMBLES=all TEST_BIN_DIR=$target/release cargo test -p integration-tests --test zk_ensemble --test zk_members \
    --test zk_sync -- \
    --nocapture --test-threads 1
fi
cargo build --release --quiet -p integration-tests --bin zk-sim
exec "$target/release/zk-sim" --minutes "$minutes" --jobs "${TEST_THREADS:-2}" \
  ${TEST_SEED:+--first "$TEST_SEED"}
