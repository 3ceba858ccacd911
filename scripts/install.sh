#!/usr/bin/env bash
# Lays both services out as their users know them:
#   PREFIX/zookeeper/{bin,conf,lib,logs}   PREFIX/kafka/{bin,config,libs,logs}
# Kafka's scripts stand under both of their names, with and without .sh, and PREFIX/kafka/etc/kafka is its config
# folder, so that instructions for Confluent's layout work as well. Configuration that is already there is kept.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: install.sh [--prefix DIR] [--binaries DIR] [--systemd DIR]
  --prefix DIR    where zookeeper/ and kafka/ go (default: /opt)
  --binaries DIR  where the built programs are (default: target/release of this checkout; built when missing)
  --systemd DIR   also write zookeeper.service and kafka.service into DIR (/etc/systemd/system, say)
TEXT
}

source_dir=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
prefix=/opt
binaries=
units=
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
    --binaries) binaries=${2:?--binaries needs a folder}; shift 2 ;;
    --systemd) units=${2:?--systemd needs a folder}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "install.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

if [ -z "$binaries" ]; then
  binaries=$source_dir/target/release
  if [ ! -x "$binaries/broker" ] || [ ! -x "$binaries/zk-server" ]; then
    root=$source_dir
    . "$source_dir/scripts/setup.sh"
    need_rust
    (cd "$root" && env -u CARGO_TARGET_DIR cargo build --release --locked --bins -p zk-server -p broker)
  fi
fi
for name in zk-server zk-cli zk-txnlog zk-snapshot zk-cleanup broker kafka-tools; do
  [ -x "$binaries/$name" ] && continue
  echo "install.sh: $name is not in $binaries; build it with: cargo build --release --locked --bins -p zk-server -p broker" >&2
  exit 1
done
if ! mkdir -p "$prefix" || [ ! -w "$prefix" ]; then
  echo "install.sh: $prefix cannot be written: run this with sudo, or choose another folder with --prefix" >&2
  exit 1
fi
prefix=$(cd "$prefix" && pwd)
zookeeper=$prefix/zookeeper
kafka=$prefix/kafka
scripts=$source_dir/scripts

# Programs are replaced by rename: one that is running keeps its file.
program() { # name folder
  install -m 755 "$binaries/$1" "$2/.$1.new"
  strip "$2/.$1.new" 2> /dev/null || true
  mv -f "$2/.$1.new" "$2/$1"
}
keep() { # source target: configuration is never overwritten
  [ -e "$2" ] || install -m 644 "$1" "$2"
}

mkdir -p "$zookeeper"/{bin,conf,lib,logs} "$kafka"/{bin,config,libs,logs,etc}
for name in zk-server zk-cli zk-txnlog zk-snapshot zk-cleanup; do
  program "$name" "$zookeeper/lib"
done
for name in broker kafka-tools zk-server zk-cli; do
  program "$name" "$kafka/libs"
done
for script in "$scripts"/zk*.sh; do
  install -m 755 "$script" "$zookeeper/bin/"
done
install -m 644 "$scripts/kafka-env.sh" "$kafka/bin/"
for script in "$scripts"/kafka-*.sh "$scripts"/zookeeper-*.sh; do
  name=$(basename "$script" .sh)
  [ "$name" = kafka-env ] && continue
  install -m 755 "$script" "$kafka/bin/$name.sh"
  ln -sf "$name.sh" "$kafka/bin/$name"
done
keep "$source_dir/conf/zoo_sample.cfg" "$zookeeper/conf/zoo_sample.cfg"
keep "$source_dir/conf/logging.yaml" "$zookeeper/conf/logging.yaml"
keep "$source_dir/conf/logging.yaml" "$kafka/config/logging.yaml"
keep "$source_dir/conf/server.properties" "$kafka/config/server.properties"
keep "$source_dir/conf/zookeeper.properties" "$kafka/config/zookeeper.properties"
[ -e "$kafka/etc/kafka" ] || ln -s ../config "$kafka/etc/kafka"

if [ -n "$units" ]; then
  mkdir -p "$units"
  for unit in zookeeper kafka; do
    sed "s#@PREFIX@#$prefix#g" "$scripts/systemd/$unit.service" > "$units/$unit.service"
  done
  echo "Units are in $units; with conf/zoo.cfg in place start them with: systemctl daemon-reload && systemctl enable --now zookeeper kafka"
fi
echo "ZooKeeper is in $zookeeper (copy conf/zoo_sample.cfg to conf/zoo.cfg, then bin/zkServer.sh start)."
echo "Kafka is in $kafka (bin/kafka-server-start.sh -daemon config/server.properties)."
