#!/usr/bin/env bash
# Makes empty data folders for a new server, and its myid:
#   zkServer-initialize.sh [--configfile FILE] [--myid N] [--force]
ZOOBINDIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
if [ -e "$ZOOBINDIR/../libexec/zkEnv.sh" ]; then
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  . "$ZOOBINDIR/zkEnv.sh"
fi

usage() {
  printf 'usage: %s <parameters>
  Optional parameters:
     -h                                                    Display this message
     --help                                                Display this message
     --configfile=%-40s ZooKeeper config file
     --myid=#                                              Set the myid to be used, if any (1-255)
     --force                                               Force creation of the data/txnlog dirs
' "$0" "$ZOOCFG"
  exit 1
}

myid=
force=
while [ -n "$1" ]; do
  case $1 in
    --configfile) ZOOCFG=$2; shift 2 ;;
    --configfile=?*) ZOOCFG=${1#*=}; shift ;;
    --myid) myid=$2; shift 2 ;;
    --myid=?*) myid=${1#*=}; shift ;;
    --force) force=yes; shift ;;
    -h | --help) usage ;;
    *) echo "Unknown option: $1"; usage ;;
  esac
done

if [ ! -e "$ZOOCFG" ]; then
  echo "Unable to find config file at $ZOOCFG"
  exit 1
fi
data_dir=$(zoo_value dataDir)
log_dir=$(zoo_value dataLogDir)
if [ -z "$data_dir" ]; then
  echo "Unable to determine dataDir from $ZOOCFG"
  exit 1
fi
if [ -n "$force" ]; then
  echo "Force enabled, data/txnlog directories will be re-initialized"
else
  if [ -d "$data_dir/version-2" ]; then
    echo "ZooKeeper data directory already exists at $data_dir (or use --force to force re-initialization)"
    exit 1
  fi
  if [ -n "$log_dir" ] && [ -d "$log_dir/version-2" ]; then
    echo "ZooKeeper txnlog directory already exists at $log_dir (or use --force to force re-initialization)"
    exit 1
  fi
fi

# The folders themselves stay: they may be mount points with permissions of their own.
for dir in "$data_dir" ${log_dir:+"$log_dir"}; do
  rm -rf "$dir/myid" "$dir/version-2"
  mkdir -p "$dir/version-2" || exit 1
done
if [ -n "$myid" ]; then
  echo "Using myid of $myid"
  echo "$myid" > "$data_dir/myid"
else
  echo "No myid provided, be sure to specify it in $data_dir/myid if using non-standalone"
fi
# Lets the server start with an empty tree where db.autocreate=false.
touch "$data_dir/initialize"
