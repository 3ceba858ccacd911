#!/usr/bin/env bash
# Starts ZooKeeper from Kafka's folder: zookeeper-server-start.sh [-daemon] zookeeper.properties
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] zookeeper.properties"
  exit 1
fi
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"

if [ "$1" = -daemon ]; then
  daemon_mode=yes
  shift
fi
program=$(kafka_binary zk-server) || exit 1
export ZOO_LOG_DIR=${ZOO_LOG_DIR:-$LOG_DIR}
run_server zookeeper "$program" "$@"
