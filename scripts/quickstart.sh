#!/usr/bin/env bash
# Builds both services, starts them on loopback with a data folder of their own, sends three lines through a topic,
# and leaves them running. Run it again after a stop: what it made is still there.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
data=${QUICKSTART_DIR:-$root/quickstart-data}
zk_port=${QUICKSTART_ZK_PORT:-2181}
kafka_port=${QUICKSTART_KAFKA_PORT:-9092}

case ${1:-} in
  '' | stop) ;;
  *)
    cat <<'TEXT'
usage: quickstart.sh [stop]
  without a word: builds and starts both services, and tries them; stop: ends both
environment: QUICKSTART_DIR (default: quickstart-data of this checkout), QUICKSTART_ZK_PORT (2181),
  QUICKSTART_KAFKA_PORT (9092)
TEXT
    case $1 in -h | --help) exit 0 ;; esac
    exit 2
    ;;
esac

cd "$root"
. scripts/setup.sh

step() { printf '\n== %s\n' "$*"; }

if [ "${1:-}" = stop ]; then
  stopped=0
  for name in broker zk-server; do
    pid=$(cat "$data/$name.pid" 2> /dev/null) || continue
    if kill "$pid" 2> /dev/null; then
      while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
      echo "$name (process $pid) has ended."
      stopped=1
    fi
    rm -f "$data/$name.pid"
  done
  [ $stopped = 1 ] || echo "Nothing of $data was running."
  exit 0
fi

need_rust
step "Building (the first time takes some minutes)"
# The scripts that start them look for them there.
env -u CARGO_TARGET_DIR cargo build --release --locked --bins -p zk-server -p broker

mkdir -p "$data/zookeeper" "$data/kafka" "$data/logs"
cat > "$data/zoo.cfg" <<CFG
tickTime=2000
dataDir=$data/zookeeper
clientPort=$zk_port
clientPortAddress=127.0.0.1
admin.enableServer=false
CFG
cat > "$data/server.properties" <<CFG
broker.id=0
listeners=PLAINTEXT://127.0.0.1:$kafka_port
log.dirs=$data/kafka
zookeeper.connect=127.0.0.1:$zk_port
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
CFG

running() { kill -0 "$(cat "$data/$1.pid" 2> /dev/null || echo x)" 2> /dev/null; }
launch() { # name command...: detached, its id in $data/name.pid
  local name=$1
  shift
  if running "$name"; then
    echo "$name already runs as process $(cat "$data/$name.pid")."
    return
  fi
  ZOO_LOG_DIR=$data/logs LOG_DIR=$data/logs nohup "$@" > "$data/logs/$name.out" 2>&1 < /dev/null &
  echo $! > "$data/$name.pid"
  echo "$name runs as process $!."
}
wait_for() { # name command...: until the command works, or the process has ended
  local name=$1
  shift
  for _ in $(seq 600); do
    if "$@" > /dev/null 2>&1; then return; fi
    if ! running "$name"; then
      echo "$name did not start. It says:" >&2
      tail -n 20 "$data/logs/$name.out" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "$name did not answer within a minute; see $data/logs" >&2
  exit 1
}

step "Starting zk-server on 127.0.0.1:$zk_port and the broker on 127.0.0.1:$kafka_port (data in $data)"
launch zk-server target/release/zk-server "$data/zoo.cfg"
wait_for zk-server target/release/zk-cli -server "127.0.0.1:$zk_port" ls /
launch broker target/release/broker "$data/server.properties"
wait_for broker scripts/kafka-topics.sh --bootstrap-server "127.0.0.1:$kafka_port" --list

step "Creating topic quickstart"
scripts/kafka-topics.sh --bootstrap-server "127.0.0.1:$kafka_port" --create --if-not-exists --topic quickstart \
  --partitions 1 --replication-factor 1

step "Sending three lines"
printf '%s\n' "one" "two" "three, at $(date +%T)" |
  scripts/kafka-console-producer.sh --bootstrap-server "127.0.0.1:$kafka_port" --topic quickstart

step "Reading them back, from the beginning"
# by partition: without --group it would be a member of a group made for it, which is listed for minutes after
scripts/kafka-console-consumer.sh --bootstrap-server "127.0.0.1:$kafka_port" --topic quickstart --partition 0 \
  --offset earliest --timeout-ms 3000 2> "$data/logs/consumer.err" || {
  cat "$data/logs/consumer.err" >&2
  exit 1
}

step "The znodes behind it"
for path in /brokers/ids /brokers/topics /controller; do
  printf '%s: ' "$path"
  if [ "$path" = /controller ]; then word="get"; else word="ls"; fi
  target/release/zk-cli -server "127.0.0.1:$zk_port" "$word" "$path" 2> /dev/null | tail -n 1
done

step "Both services go on running"
echo "Stop them with: scripts/quickstart.sh stop"
