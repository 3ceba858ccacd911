#!/usr/bin/env bash
# Starts the broker: kafka-server-start.sh [-daemon] server.properties [--override property=value]*
if [ $# -lt 1 ]; then
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*"
  exit 1
fi
. "$(dirname "$(readlink -f "$0")")/kafka-env.sh"

if [ "$1" = -daemon ]; then
  daemon_mode=yes
  shift
fi
program=$(kafka_binary broker) || exit 1
run_server kafkaServer "$program" "$@"
