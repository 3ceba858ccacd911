#!/usr/bin/env bash
# Prints, checks and repairs transaction logs: zkTxnLogToolkit.sh [-h] [-d] [-v] [-r] [-y] FILE
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi
program=$(zoo_binary zk-txnlog) || exit 1
exec "$program" "$@"
