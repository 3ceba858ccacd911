#!/usr/bin/env bash
# Starts, stops and asks the ZooKeeper server, as Apache's script of this name:
#   zkServer.sh [--config DIR] {start|start-foreground|stop|version|restart|status|print-cmd} [CONFIG FILE]
# Environment: ZOOCFGDIR, ZOOCFG, ZOO_LOG_DIR, ZOO_LOG_FILE, ZOOPIDFILE, ZOO_DATADIR_AUTOCREATE_DISABLE,
# SERVER_JVMFLAGS, JVMFLAGS (-Dname=value counts).
script=$0
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi

usage() {
  echo "Usage: $script [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}" >&2
}

command=$1
case $command in
  start | start-foreground | stop | restart | status | print-cmd) ;;
  version)
    program=$(zoo_binary zk-server) || exit 1
    exec "$program" --version
    ;;
  *)
    usage
    exit 1
    ;;
esac
if [ -n "$2" ]; then
  case $2 in
    */*) ZOOCFG=$2 ;;
    *) ZOOCFG=$ZOOCFGDIR/$2 ;;
  esac
fi
echo "Using config: $ZOOCFG" >&2

if [ "$command" = restart ]; then
  shift
  "$script" --config "$ZOOCFGDIR" stop "$@"
  exec "$script" --config "$ZOOCFGDIR" start "$@"
fi

program=$(zoo_binary zk-server) || exit 1
if [ ! -r "$ZOOCFG" ]; then
  what_to_do="name one that this user may read"
  if [ ! -e "$ZOOCFG" ] && [ -r "$ZOOCFGDIR/zoo_sample.cfg" ]; then
    what_to_do="copy $ZOOCFGDIR/zoo_sample.cfg to it and change it"
  fi
  echo "Error: the configuration file $ZOOCFG cannot be read; $what_to_do" >&2
  exit 1
fi
data_dir=$(zoo_value dataDir)
log_data_dir=$(zoo_value dataLogDir)
options=()
if [ -n "$ZOO_DATADIR_AUTOCREATE_DISABLE" ]; then
  if [ ! -d "$data_dir/version-2" ]; then
    echo "ZooKeeper data directory is missing at $data_dir fix the path or run initialize"
    exit 1
  fi
  if [ -n "$log_data_dir" ] && [ ! -d "$log_data_dir/version-2" ]; then
    echo "ZooKeeper txnlog directory is missing at $log_data_dir fix the path or run initialize"
    exit 1
  fi
  options+=(-Dzookeeper.datadir.autocreate=false)
fi
ZOO_LOG_FILE=${ZOO_LOG_FILE:-zookeeper-$USER-server-$HOSTNAME.log}
out=$ZOO_LOG_DIR/zookeeper-$USER-server-$HOSTNAME.out
options+=("-Dzookeeper.log.dir=$ZOO_LOG_DIR" "-Dzookeeper.log.file=$ZOO_LOG_FILE")
pid_file=${ZOOPIDFILE:-$data_dir/zookeeper_server.pid}

# Whether process $1 runs; one that is only a leftover of an old pid file does not count.
is_server() {
  kill -0 "$1" 2> /dev/null || return 1
  # One that has ended, whose parent has not noticed yet.
  ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status" || return 1
  case $(cat "/proc/$1/comm" 2> /dev/null) in
    zk-server | java | '') return 0 ;;
    *) return 1 ;;
  esac
}

# The address of clientPort, wherever the configuration gives it.
find_client_port() {
  client_address=$(zoo_value clientPortAddress)
  client_port=$(zoo_value clientPort)
  case $client_port in
    '' | *[!0-9]*)
      local myid line
      myid=$(cat "$data_dir/myid" 2> /dev/null)
      case $myid in
        '' | *[!0-9]*)
          echo "myid could not be determined, will not able to locate clientPort in the server configs."
          return
          ;;
      esac
      line=$(zoo_value "server\.$myid" | sed -n 's/.*;//p')
      if [ -z "$line" ]; then
        echo "Client port not found in static config file. Looking in dynamic config file."
        line=$(zoo_value "server\.$myid" "$(zoo_value dynamicConfigFile)" | sed -n 's/.*;//p')
      fi
      if [ -z "$line" ]; then
        echo "Client port not found in the server configs"
        return
      fi
      client_port=${line##*:}
      case $line in
        *:*) client_address=$(echo "${line%:*}" | tr -d '[]') ;;
      esac
      ;;
  esac
}

no_pid() {
  echo "FAILED TO WRITE PID"
  echo "cannot write $pid_file: make $(id -un) the owner of $(dirname "$pid_file") or set ZOOPIDFILE" >&2
  exit 1
}

start() {
  echo -n "Starting zookeeper ... "
  if [ -f "$pid_file" ] && is_server "$(cat "$pid_file")"; then
    echo "already running as process $(cat "$pid_file")."
    exit 1
  fi
  # Before anything runs that nobody could stop.
  if ! { mkdir -p "$(dirname "$pid_file")" && : >> "$pid_file"; } 2> /dev/null; then
    no_pid
  fi
  mkdir -p "$ZOO_LOG_DIR" || exit 1
  nohup "$program" "${options[@]}" "$ZOOCFG" > "$out" 2>&1 < /dev/null &
  local pid=$!
  if ! { echo -n "$pid" > "$pid_file"; } 2> /dev/null; then
    # The disk is full, for instance.
    kill "$pid"
    no_pid
  fi
  # It serves, it has ended, or it is still reading its files after a second. Who answers may be another
  # server that has its port: it is looked at once more then.
  local tries answered=
  find_client_port > /dev/null
  for tries in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1
    if ! kill -0 "$pid" 2> /dev/null; then
      echo "FAILED TO START"
      # The reason is the last thing that it said, but for what Java's says too.
      grep -v '^Invalid config, exiting abnormally$' "$out" | tail -n 1 >&2
      rm -f "$pid_file"
      exit 1
    fi
    [ -z "$answered" ] || break
    if "$program" --four-letter-word "${client_address:-localhost}" "${client_port:-0}" srvr > /dev/null 2>&1; then
      answered=yes
    fi
  done
  echo "STARTED"
}

stop() {
  echo -n "Stopping zookeeper ... "
  if [ ! -f "$pid_file" ]; then
    echo "no zookeeper to stop (could not find file $pid_file)"
    exit 0
  fi
  local pid tries=0
  pid=$(cat "$pid_file")
  rm -f "$pid_file"
  if is_server "$pid"; then
    kill "$pid"
    # What was acknowledged is on disk; ending takes the time of one sync.
    while kill -0 "$pid" 2> /dev/null && [ "$tries" -lt 300 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
  fi
  echo "STOPPED"
  exit 0
}

status() {
  find_client_port
  if [ -z "$client_port" ]; then
    echo "Client port not found. Looking for secureClientPort in the static config."
    echo "Unable to find either secure or unsecure client port in any configs. Terminating."
    exit 1
  fi
  echo "Client port found: $client_port. Client address: ${client_address:-localhost}. Client SSL: false."
  local answer mode
  answer=$("$program" --four-letter-word "${client_address:-localhost}" "$client_port" srvr 2> /dev/null)
  mode=$(echo "$answer" | grep Mode)
  if [ -z "$mode" ]; then
    echo "Error contacting service. It is probably not running."
    # A member without a quorum, or somebody else's port.
    [ -z "$answer" ] || echo "But it answers: $answer; see the newest lines in $ZOO_LOG_DIR" >&2
    exit 1
  fi
  echo "$mode"
}

case $command in
  start) start ;;
  stop) stop ;;
  status) status ;;
  start-foreground)
    mkdir -p "$ZOO_LOG_DIR" || exit 1
    if [ -n "$ZOO_NOEXEC" ]; then
      "$program" "${options[@]}" "$ZOOCFG"
    else
      exec "$program" "${options[@]}" "$ZOOCFG"
    fi
    ;;
  print-cmd)
    printf '"%s"' "$program"
    printf ' "%s"' "${options[@]}"
    printf ' "%s" > "%s" 2>&1 < /dev/null\n' "$ZOOCFG" "$out"
    ;;
esac
