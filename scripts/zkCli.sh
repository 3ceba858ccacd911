#!/usr/bin/env bash
# ZooKeeper's command line: zkCli.sh [-server host:port[,...][/chroot]] [-timeout ms] [-r]
# [-waitforconnection] [-client-configuration file] [command ...]
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# Reads conf/zookeeper-env.sh and conf/java.env, where CLIENT_JVMFLAGS may be set.
if [ -e "$here/../libexec/zkEnv.sh" ]; then
  . "$here/../libexec/zkEnv.sh"
elif [ -e "$here/zkEnv.sh" ]; then
  . "$here/zkEnv.sh"
fi
export CLIENT_JVMFLAGS JVMFLAGS
for dir in "$here/../lib" "$here/../libs" "$here" "$here/../target/release" "$here/../target/debug"; do
  if [ -x "$dir/zk-cli" ]; then
    exec "$dir/zk-cli" "$@"
  fi
done
echo "zkCli.sh: zk-cli is not beside $here (looked in lib, libs, bin, target/release, target/debug);" \
  "build it with: cargo build --release" >&2
exit 1
