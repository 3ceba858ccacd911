#!/usr/bin/env bash
# Prints a snapshot: zkSnapShotToolkit.sh [-d] [-json] FILE
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
program=$(zoo_binary zk-snapshot) || exit 1
exec "$program" "$@"
