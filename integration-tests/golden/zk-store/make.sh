#!/usr/bin/env bash
# Makes the data folder of one ZooKeeper release anew: make.sh VERSION CLASS_PATH TOOLS_CLASS_PATH
# (class paths of this release and of 3.9.5, each with commons-cli, snappy-java and Jackson on it;
# the texts are those of 3.9.5's tools).
set -euo pipefail
export TZ=UTC LC_ALL=C.UTF-8
version=$1 cp=$2 tools=$3
here=$(dirname "$(readlink -f "$0")")
out=$here/../zk-$version
work=$(mktemp -d)
server_pid=
trap 'kill $server_pid 2>/dev/null; rm -rf "$work"' EXIT
port=${PORT:-21810}
cat >"$work/zoo.cfg" <<CFG
tickTime=2000
dataDir=$work/data
clientPort=$port
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=ruok
CFG
echo '<configuration><root level="OFF"/></configuration>' >"$work/logback.xml"
java=(java -Dlogback.configurationFile="$work/logback.xml" -Duser.language=en -Duser.country=US -cp)
serve() { # run PART against a server that is stopped with SIGTERM afterwards
  "${java[@]}" "$cp" -Dzookeeper.preAllocSize=16 -Dzookeeper.snapCount=40 \
    -Dzookeeper.extendedTypesEnabled=true -Dzookeeper.snapshot.compression.method="$2" \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$work/zoo.cfg" >"$work/server.log" 2>&1 &
  server_pid=$!
  until exec 3<>"/dev/tcp/127.0.0.1/$port" && echo ruok >&3 && grep -q imok <&3; do sleep 0.2; done 2>/dev/null
  exec 3>&-
  "${java[@]}" "$cp" "$here/Fill.java" "127.0.0.1:$port" "$1"
  kill $server_pid
  wait $server_pid || true
}
serve 1 ""
serve 2 ""
rm -rf "$out"
mkdir -p "$out/data" "$out/text"
cp -r "$work/data/version-2" "$out/data/"
serve 0 gz
serve 0 snappy
cp "$work"/data/version-2/snapshot.*.{gz,snappy} "$out/"
rm -f "$out"/data/version-2/acceptedEpoch "$out"/data/version-2/currentEpoch

cd "$out"
server=org.apache.zookeeper.server
for log in data/version-2/log.*; do
  "${java[@]}" "$tools" $server.persistence.TxnLogToolkit "$log" >"text/$(basename "$log").txt" 2>/dev/null
done
for snap in data/version-2/snapshot.* snapshot.*; do
  name=$(basename "$snap")
  "${java[@]}" "$tools" $server.SnapshotFormatter "$snap" >"text/$name.txt" 2>/dev/null
  "${java[@]}" "$tools" $server.SnapshotFormatter -d "$snap" >"text/$name.d.txt" 2>/dev/null
  "${java[@]}" "$tools" $server.SnapshotFormatter -json "$snap" 2>/dev/null | sed 's/"timestamp":[0-9]*/"timestamp":0/' >"text/$name.json"
done
if [ "$version" = 3.9.5 ]; then
  "${java[@]}" "$tools" $server.SnapshotComparer -l data/version-2/snapshot.1b -r data/version-2/snapshot.3c -b 2 -n 1 |
    grep -v '^Deserialized\|^Processed' >text/compare.1b.3c.txt
fi
