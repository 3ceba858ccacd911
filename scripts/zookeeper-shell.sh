#!/usr/bin/env bash
# ZooKeeper's command line as Kafka ships it: zookeeper-shell.sh host:port[/path] [command]
if [ $# -lt 1 ]; then
  echo "USAGE: $0 zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]"
  exit 1
fi
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"
program=$(kafka_binary zk-cli) || exit 1
exec "$program" -server "$@"
