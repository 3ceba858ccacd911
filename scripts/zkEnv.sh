# shellcheck shell=bash
# Sourced by the other zk*.sh scripts, never run. Settles, in Apache's order of preference,
#   ZOOCFGDIR    folder of the configuration: --config DIR, the environment, ../conf, ../etc/zookeeper
#   ZOOCFG       the configuration file: the environment or zoo.cfg, in ZOOCFGDIR
#   ZOO_LOG_DIR  folder of the logs: the environment or ../logs
# and reads zookeeper-env.sh and java.env of that folder. Options for a JVM (SERVER_JVMFLAGS, JVMFLAGS,
# CLIENT_JVMFLAGS) go on to our programs: -Dname=value counts, the rest is noted and ignored.

ZOOBINDIR=${ZOOBINDIR:-$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)}
ZOOKEEPER_PREFIX=$ZOOBINDIR/..

# --config DIR may stand before the command; the sourcing script's arguments move on.
if [ $# -gt 1 ] && [ "$1" = --config ]; then
  ZOOCFGDIR=$2
  shift 2
fi

if [ -z "$ZOOCFGDIR" ]; then
  if [ -e "$ZOOKEEPER_PREFIX/conf" ]; then
    ZOOCFGDIR=$ZOOBINDIR/../conf
  else
    ZOOCFGDIR=$ZOOBINDIR/../etc/zookeeper
  fi
fi

# shellcheck disable=SC1091 # the operator's own
[ -f "$ZOOCFGDIR/zookeeper-env.sh" ] && . "$ZOOCFGDIR/zookeeper-env.sh"
ZOOCFG=$ZOOCFGDIR/${ZOOCFG:-zoo.cfg}
# shellcheck disable=SC1091 # the operator's own
[ -f "$ZOOCFGDIR/java.env" ] && . "$ZOOCFGDIR/java.env"

ZOO_LOG_DIR=${ZOO_LOG_DIR:-$ZOOKEEPER_PREFIX/logs}
USER=${USER:-$(id -un)}
HOSTNAME=${HOSTNAME:-$(uname -n)}
export SERVER_JVMFLAGS CLIENT_JVMFLAGS JVMFLAGS

# Prints the path of one of our programs: beside an installation's scripts, or as cargo built it.
zoo_binary() {
  local dir
  for dir in "$ZOOBINDIR/../lib" "$ZOOBINDIR/../libs" "$ZOOBINDIR" "$ZOOBINDIR/../target/release" "$ZOOBINDIR/../target/debug"; do
    if [ -x "$dir/$1" ]; then
      echo "$dir/$1"
      return
    fi
  done
  echo "Error: $1 is not beside $ZOOBINDIR (looked in lib, libs, bin, target/release, target/debug);" \
    "build it with: cargo build --release" >&2
  return 1
}

# Prints the value of key $1 in the configuration file ${2:-$ZOOCFG}, the last if it stands twice.
zoo_value() {
  sed -n "s/^[[:space:]]*$1[[:space:]]*[=:][[:space:]]*//p" "${2:-$ZOOCFG}" 2> /dev/null | sed 's/[[:space:]]*$//' | tail -n 1
}
