#!/usr/bin/env bash
# Makes the log folders of one Kafka release anew: make.sh VERSION KAFKA_CLASS_PATH ZOOKEEPER_CLASS_PATH CLIENTS_CLASS_PATH
# (the broker's, a ZooKeeper server's, and kafka-clients 3.9's with an slf4j binding).
set -euo pipefail
export TZ=UTC LC_ALL=C.UTF-8
version=$1 kafka=$2 zookeeper=$3 clients=$4
here=$(dirname "$(readlink -f "$0")")
out=${OUT:-$here/$version}
work=$(mktemp -d)
zk_port=${ZK_PORT:-21820} port=${PORT:-21821}
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT
cat >"$work/zoo.cfg" <<CFG
dataDir=$work/zk
clientPort=$zk_port
clientPortAddress=127.0.0.1
admin.enableServer=false
CFG
cat >"$work/server.properties" <<CFG
broker.id=0
listeners=PLAINTEXT://127.0.0.1:$port
zookeeper.connect=127.0.0.1:$zk_port
log.dirs=$work/logs
log.segment.bytes=3000
log.index.interval.bytes=200
log.retention.ms=-1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
CFG
until_open() { until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.2; done; }
java -cp "$zookeeper" org.apache.zookeeper.server.quorum.QuorumPeerMain "$work/zoo.cfg" >"$work/zk.log" 2>&1 &
servers+=($!)
until_open "$zk_port"
java -Xmx256m -cp "$kafka" kafka.Kafka "$work/server.properties" >"$work/kafka.log" 2>&1 &
broker=$!
servers+=("$broker")
until_open "$port"
topic() { java -cp "$kafka" kafka.admin.TopicCommand --bootstrap-server "127.0.0.1:$port" --create --partitions 1 \
  --replication-factor 1 --topic "$@"; }
for codec in none gzip snappy lz4 zstd txn; do topic "g-$codec"; done
java -cp "$clients" "$here/Golden.java" "127.0.0.1:$port"
if [[ $version == 2.* ]]; then # the last line that can still write the old formats
  for format in 0.9.0 0.10.0; do
    for codec in none gzip snappy lz4; do topic "g-$codec-$format" --config "message.format.version=$format"; done
    java -cp "$clients" "$here/Golden.java" "127.0.0.1:$port" "-$format" none,gzip,snappy,lz4
  done
fi
kill "$broker"
wait "$broker" || true
rm -rf "$out"
mkdir -p "$out"
cp -r "$work"/logs/g-* "$out"
