#!/usr/bin/env bash
# Sums up the tree of a snapshot: zkSnapshotRecursiveSummaryToolkit.sh FILE NODE DEPTH
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
program=$(zoo_binary zk-snapshot) || exit 1
exec "$program" recursive-summary "$@"
