# shellcheck shell=bash
# Sourced by the suites' run scripts: where things lie, and which server is under test.
#
# ZK_SERVER_CMD runs one ZooKeeper server in the foreground, given the path of a zoo.cfg, and must exec it (the suites
# signal that process). The default is our own build; any other server can be put there for comparison. -D properties
# that a test wants reach the server in SERVER_JVMFLAGS.

set -euo pipefail
suites=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(cd "$suites/../.." && pwd)
suite=$(basename "$(cd "$(dirname "$0")" && pwd)")
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/suites/$suite
mkdir -p "$work"
if [ -z "${ZK_SERVER_CMD:-}" ]; then
  ZK_SERVER_CMD=${TEST_BIN_DIR:-$target/release}/zk-server
  if [ ! -x "$ZK_SERVER_CMD" ]; then
    echo "$ZK_SERVER_CMD is not built: run cargo build --release" >&2
    exit 1
  fi
fi
export ZK_SERVER_CMD

# missing PROGRAM: a suite that cannot run here is skipped; in CI that is a failure.
missing() {
  echo "SKIPPED: $suite: no $1 here"
  [ "${CI:-}" != true ] || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

# judge RESULTS: compares with the lists beside the run script, prints the closing line, sets the exit status.
judge() { python3 "$suites/lib/judge.py" "$suites/$suite" "$1"; }
