# shellcheck shell=bash
# Sourced by the kafka-*.sh and zookeeper-*.sh scripts, never run.
# Sets kafka_home and LOG_DIR, and defines what those scripts share.

kafka_home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
LOG_DIR=${LOG_DIR:-$kafka_home/logs}
export LOG_DIR

# Prints the path of one of our programs: beside an installation's scripts, or as cargo built it.
kafka_binary() {
  local dir
  for dir in "$kafka_home/libs" "$kafka_home/lib" "$kafka_home/target/release" "$kafka_home/target/debug"; do
    if [ -x "$dir/$1" ]; then
      echo "$dir/$1"
      return
    fi
  done
  echo "$1 is not under $kafka_home (looked in libs, lib, target/release, target/debug);" \
    "build it with: cargo build --release" >&2
  exit 1
}

# Runs "$2 ..." as a server: in the foreground, or detached with its output in LOG_DIR/$1.out.
# daemon_mode says which.
run_server() {
  local name=$1
  shift
  mkdir -p "$LOG_DIR" || exit 1
  if [ "${daemon_mode:-}" = yes ]; then
    if ! : >> "$LOG_DIR/$name.out"; then
      echo "Not started: write permission is needed there, or set LOG_DIR to a folder that the user $(id -un) can write to" >&2
      exit 1
    fi
    nohup "$@" > "$LOG_DIR/$name.out" 2>&1 < /dev/null &
  else
    exec "$@"
  fi
}

# Prints the ids of the processes that run the given program of this installation.
pids_of() {
  local exe target
  for exe in /proc/[0-9]*/exe; do
    target=$(readlink "$exe" 2> /dev/null) || continue
    # A program replaced by an upgrade while it ran shows as deleted.
    if [ "${target% (deleted)}" = "$1" ]; then
      exe=${exe#/proc/}
      echo "${exe%/exe}"
    fi
  done
}

# Ends every process of program $1, called $2 in the message when there is none.
stop_server() {
  local pids
  pids=$(pids_of "$(readlink -f "$1")")
  if [ -z "$pids" ]; then
    echo "No $2 server to stop"
    exit 1
  fi
  # shellcheck disable=SC2086 # one word a process
  kill -s "${SIGNAL:-TERM}" $pids
}
