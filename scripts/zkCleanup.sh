#!/usr/bin/env bash
# Removes old snapshots and logs: zkCleanup.sh [--config DIR] -n COUNT
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
program=$(zoo_binary zk-cleanup) || exit 1
data_dir=$(zoo_value dataDir)
log_dir=$(zoo_value dataLogDir)
if [ -z "$data_dir" ]; then
  echo "Unable to determine dataDir from $ZOOCFG" >&2
  exit 1
fi
exec "$program" ${log_dir:+"$log_dir"} "$data_dir" "$@"
