#!/usr/bin/env bash
# Compares two snapshots: zkSnapshotComparer.sh -l FILE -r FILE -b BYTES -n NODES [-d] [-i]
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
program=$(zoo_binary zk-snapshot) || exit 1
exec "$program" comparer "$@"
