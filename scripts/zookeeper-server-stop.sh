#!/usr/bin/env bash
# Ends every ZooKeeper server that runs from this installation.
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"
program=$(kafka_binary zk-server) || exit 1
stop_server "$program" zookeeper
