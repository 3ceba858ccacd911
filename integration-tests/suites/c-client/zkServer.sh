#!/usr/bin/env bash
# Stands for tests/zkServer.sh of Apache's C client: an ensemble of three, of which the client knows the first, on the
# port that its tests name. With startCleanReadOnly the first is alone, and serves reads only.
set -euo pipefail
run=${RUN_DIR:?}
mkdir -p "$run"

ask() { # word
  exec 3<> /dev/tcp/127.0.0.1/22181 || return 1
  printf %s "$1" >&3
  cat <&3
}

stop() {
  for pid in "$run"/*.pid; do
    [ -e "$pid" ] || continue
    kill -9 "$(cat "$pid")" 2> /dev/null || true
    while kill -0 "$(cat "$pid")" 2> /dev/null; do sleep 0.05; done
    rm -f "$pid"
  done
}

start() { # members
  local id
  for id in "$@"; do
    mkdir -p "$run/zk$id"
    echo "$id" > "$run/zk$id/myid"
    {
      printf 'tickTime=500\ninitLimit=10\nsyncLimit=5\ndataDir=%s\n' "$run/zk$id"
      printf 'maxClientCnxns=%s\nlocalSessionsEnabled=true\nadmin.enableServer=false\n' "${ZKMAXCNXNS:-100}"
      printf '4lw.commands.whitelist=*\nclientPort=%s\n' "$((22180 + id))"
      for server in 1 2 3; do printf 'server.%s=localhost:%s:%s\n' $server $((22880 + server)) $((33880 + server)); done
    } > "$run/zk$id.cfg"
    # shellcheck disable=SC2086 # the command may have arguments of its own
    SERVER_JVMFLAGS=$flags setsid $ZK_SERVER_CMD "$run/zk$id.cfg" >> "$run/zk$id.log" 2>&1 < /dev/null &
    echo $! > "$run/zk$id.pid"
  done
}

flags='-Dzookeeper.extendedTypesEnabled=true -Dznode.container.checkIntervalMs=100'
case $1 in
  start | startClean)
    stop
    [ "$1" = start ] || rm -rf "$run"/zk[123]
    start 1 2 3
    wanted=srvr answer='Mode: '
    ;;
  startCleanReadOnly)
    stop
    rm -rf "$run"/zk[123]
    flags+=' -Dreadonlymode.enabled=true'
    start 1
    wanted=isro answer='ro'
    ;;
  stop) stop; exit 0 ;;
  *) echo "$1 is not served here" >&2; exit 2 ;;
esac
for ((i = 0; i < 1200; i++)); do
  said=$( (ask $wanted) 2> /dev/null || true)
  case $said in *"$answer"*) exit 0 ;; esac
  kill -0 "$(cat "$run/zk1.pid")" 2> /dev/null || break
  sleep 0.05
done
tail -n 3 "$run/zk1.log" >&2
echo "the ensemble does not serve" >&2
exit 1
