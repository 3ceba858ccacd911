#!/usr/bin/env bash
# Runs all tests, stage by stage, each with a time budget; all together take at most 60 minutes on two cores.
#
#   scripts/test.sh                 every stage
#   scripts/test.sh STAGE...        only these
#   scripts/test.sh --list          the stages and their budgets
#
# What is missing is installed with apt where the user is root or has sudo, and named with the exact command otherwise.
# Tests that cannot run on this machine are listed as skipped; with CI=true a skip is a failure. TEST_SEED=N repeats a
# random run.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
# shellcheck source=scripts/setup.sh
. scripts/setup.sh

target=${CARGO_TARGET_DIR:-$root/target}
logs=$target/test-logs
# Two at a time, so that conditions are waited for and not for each other.
threads=${TEST_THREADS:-2}
export TEST_SKIP_FILE=$logs/skipped RUST_BACKTRACE=${RUST_BACKTRACE:-1}

# name, minutes, what it does; the function stage_NAME does it.
stages='fmt 1 source format
clippy 4 lints and layer rules
unit 6 unit, property and golden tests of the crates
build 6 the programs as shipped
simulation 6 2,000 ensembles of 60 simulated seconds, all with faults, and the known bugs'"'"' scenarios
mutants 5 known bugs, compiled in: each is found
integration 14 real processes against Apache'"'"'s
kazoo 8 kazoo'"'"'s own tests against three zk-servers
go-zookeeper 3 go-zookeeper'"'"'s own tests against one and three zk-servers
c-client 5 the tests of Apache'"'"'s C client against three zk-servers'

# The versions of clippy that the sources were checked with: those of Rust 1.85 to 1.96.
lints_from=0.1.85 lints_to=0.1.96
clippy_version() { cargo clippy --version 2> /dev/null | cut -d' ' -f2; }

stage_fmt() { cargo fmt --all --check; }
stage_clippy() {
  local deny='-D warnings'
  # A compiler of tomorrow has lints that nobody could heed yet.
  if ! at_least "$lints_to" "$(clippy_version)"; then
    echo "clippy $(clippy_version) is newer than $lints_to: what it warns about is no failure"
    deny=
  fi
  # shellcheck disable=SC2086 # none or two words
  cargo clippy --workspace --all-targets --quiet -- $deny
}
stage_unit() { cargo test --workspace --exclude integration-tests --no-fail-fast; }
stage_build() { cargo build --release --workspace --bins; }
# A fault or an invariant that was never exercised fails it, as an error does.
stage_simulation() {
  cargo build --release --quiet -p integration-tests --bin zk-sim &&
    "$target/release/zk-sim" --first "${TEST_SEED:-0}" --seeds 2000 --scenarios 10 --all --jobs "$threads"
}
stage_mutants() {
  cargo test -p integration-tests --features mutants --test zk_ensemble_mutants --no-fail-fast -- --test-threads="$threads"
}
stage_integration() {
  TEST_BIN_DIR=$target/release cargo test -p integration-tests --no-fail-fast -- --test-threads="$threads"
}
stage_kazoo() { integration-tests/suites/kazoo/run; }
stage_go-zookeeper() { integration-tests/suites/go-zookeeper/run; }
stage_c-client() { integration-tests/suites/c-client/run; }

# What the stages need beside Rust. Where it cannot be had, the tests that need it say so themselves.
prerequisites() {
  local packages=()
  need_rust
  if command -v rustup > /dev/null; then
    cargo clippy --version > /dev/null 2>&1 && cargo fmt --version > /dev/null 2>&1 || rustup component add clippy rustfmt
  else
    at_least "$(clippy_version)" "$lints_from" || packages+=("$(rust_package clippy)")
    cargo fmt --version > /dev/null 2>&1 || packages+=("$(rust_package rustfmt)")
  fi
  command -v javac > /dev/null || packages+=(default-jdk-headless)
  command -v mvn > /dev/null || packages+=(maven)
  command -v go > /dev/null || packages+=(golang-go)
  command -v nc > /dev/null || packages+=(netcat-openbsd)
  command -v prometheus > /dev/null || packages+=(prometheus)
  command -v ip > /dev/null || packages+=(iproute2)
  [ -e /usr/include/cppunit/Test.h ] || packages+=(libcppunit-dev g++ make autoconf automake libtool pkg-config dpkg-dev)
  python3 -c 'import ensurepip, venv' 2> /dev/null || packages+=(python3-venv)
  if [ ${#packages[@]} -gt 0 ]; then
    install_packages "Missing on this machine: ${packages[*]}." "${packages[@]}" || true
  fi
}

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

passed=0 failed=0 skipped=0
report=()

# Adds up what a stage's log says: cargo's results and the closing lines of the foreign suites.
count() { # log
  local p f s
  read -r p f s < <(awk '
    /^test result:/ { p += $4; f += $6; s += $8 }
    /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5 }
    END { print p + 0, f + 0, s + 0 }' "$1")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  stage_failed=$f
}

run_stage() { # name minutes what
  local name=$1 budget=$2 what=$3 start=$SECONDS status=0 took verdict=ok
  echo
  echo "==> $name: $what (budget $budget min)"
  "stage_$name" 2>&1 | tee "$logs/$name.log"
  status=${PIPESTATUS[0]}
  took=$((SECONDS - start))
  count "$logs/$name.log"
  if [ "$status" -ne 0 ]; then
    verdict=FAILED
    # A stage that ended badly without naming a failed test is a failure of its own.
    [ "$stage_failed" -gt 0 ] || failed=$((failed + 1))
  elif [ "$took" -gt $((budget * 60)) ]; then
    verdict='ok, over its budget'
  fi
  report+=("$(printf '%-14s %6s of %2d:00  %s' "$name" "$(clock $took)" "$budget" "$verdict")")
}

if [ "${1:-}" = --list ]; then
  awk '{ name = $1; budget = $2; sub(/^[^ ]+ [^ ]+ /, ""); printf "%-14s %3d min  %s\n", name, budget, $0 }' <<< "$stages"
  exit 0
fi
for wanted in "$@"; do
  if ! grep -q "^$wanted " <<< "$stages"; then
    echo "there is no stage $wanted; scripts/test.sh --list names them" >&2
    exit 2
  fi
done

prerequisites
mkdir -p "$logs"
: > "$TEST_SKIP_FILE"
while read -r -u 3 name budget what; do
  if [ $# -eq 0 ] || printf '%s\n' "$@" | grep -qx -- "$name"; then run_stage "$name" "$budget" "$what"; fi
done 3<<< "$stages"

# Tests that skipped themselves ended well for cargo.
if [ -s "$TEST_SKIP_FILE" ]; then
  own=$(wc -l < "$TEST_SKIP_FILE")
  passed=$((passed - own)) skipped=$((skipped + own))
  echo
  sed 's/^/skipped: /' "$TEST_SKIP_FILE"
fi
echo
printf '%s\n' "${report[@]}"
printf '%-14s %6s of 60:00\n' total "$(clock $SECONDS)"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
