#!/bin/sh
# Records what servers of one ZooKeeper release say to each other: make.sh VERSION CLASS_PATH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -nowarn -cp "$2" -d "$classes" "$here/Record.java"
out="$here/$1"
main=org.apache.zookeeper.server.quorum.Record
java -cp "$classes:$2" $main "$out"
java -Dzookeeper.multiAddress.enabled=true -cp "$classes:$2" $main "$out" several
