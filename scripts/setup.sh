# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh, never run: what a fresh Debian machine lacks is installed with apt where the
# user is root or has sudo, and named with the exact command otherwise.

# install_packages REASON PACKAGE...
install_packages() {
  local reason=$1 sudo=
  shift
  if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    if ! command -v sudo > /dev/null || ! sudo -n true 2> /dev/null; then
      echo "$reason Install it with: sudo apt-get install -y $*" >&2
      return 1
    fi
  fi
  if ! command -v apt-get > /dev/null; then
    echo "$reason There is no apt-get here; install by hand what Debian calls: $*" >&2
    return 1
  fi
  echo "$reason Installing $*"
  $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" > /dev/null
}

# Whether the version $1 is at least $2.
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# A Rust of at least the version that Cargo.toml names, on the PATH as cargo and rustc, and a C compiler for its linker.
need_rust() {
  local wanted have
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  [ -d "$HOME/.cargo/bin" ] && PATH=$HOME/.cargo/bin:$PATH
  if ! command -v cc > /dev/null; then
    install_packages "There is no C compiler (the linker needs it)." gcc libc6-dev || exit 1
  fi
  have=$(rustc --version 2> /dev/null | cut -d' ' -f2)
  if [ -n "$have" ] && at_least "$have" "$wanted" && command -v cargo > /dev/null; then return; fi
  # Debian 12 ships newer compilers beside its old default, under other package names.
  if [ "$(. /etc/os-release 2> /dev/null; echo "${VERSION_CODENAME:-}")" = bookworm ]; then
    install_packages "Rust ${wanted} or newer is needed." rustc-web cargo-web || exit 1
  else
    install_packages "Rust ${wanted} or newer is needed." rustc cargo || exit 1
  fi
  hash -r
  have=$(rustc --version 2> /dev/null | cut -d' ' -f2)
  if [ -z "$have" ] || ! at_least "$have" "$wanted"; then
    echo "rustc ${have:-} is too old: $wanted is needed (https://rustup.rs installs it)." >&2
    exit 1
  fi
}
