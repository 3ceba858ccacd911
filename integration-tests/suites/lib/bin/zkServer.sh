#!/usr/bin/env bash
# Stands for an installation's zkServer.sh in suites that call `zkServer.sh start-foreground zoo.cfg` (go-zookeeper).
set -euo pipefail
[ "$1" = start-foreground ] || { echo "only start-foreground is served here" >&2; exit 2; }
# shellcheck disable=SC2086 # the command may have arguments of its own
exec $ZK_SERVER_CMD "$2"
