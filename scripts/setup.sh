# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh, never run: what a fresh Debian machine lacks is installed with apt where the
# user is root or has sudo, and named with the exact command otherwise.

# Whether this user may install packages; asks for the password of sudo where somebody is there to type it.
may_install() {
  [ "$(id -u)" = 0 ] && return
  command -v sudo > /dev/null || return
  sudo -n true 2> /dev/null || { [ -t 0 ] && sudo -v; }
}

# install_packages REASON PACKAGE...
install_packages() {
  local reason=$1 sudo=sudo
  shift
  if ! command -v apt-get > /dev/null; then
    echo "$reason There is no apt-get here; install by hand what Debian calls: $*" >&2
    return 1
  fi
  if ! may_install; then
    echo "$reason Install it with: sudo apt-get install -y $*" >&2
    return 1
  fi
  [ "$(id -u)" = 0 ] && sudo=
  echo "$reason Installing $*"
  $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"
}

# Whether the version $1 is at least $2.
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# The version of rustc, empty where there is none.
rust_version() { { rustc --version 2> /dev/null || true; } | cut -d' ' -f2; }

# Debian 12 ships newer compilers beside its old default, under other package names.
rust_package() { # rustc, cargo, rustfmt or clippy
  local codename
  codename=$(. /etc/os-release 2> /dev/null; echo "${VERSION_CODENAME:-}")
  case $codename:$1 in
    bookworm:clippy) echo rust-web-clippy ;;
    bookworm:*) echo "$1-web" ;;
    *:clippy) echo rust-clippy ;;
    *) echo "$1" ;;
  esac
}

# A Rust of at least the version that Cargo.toml names, on the PATH as cargo and rustc, and a C compiler for its linker.
need_rust() {
  local wanted have packages=()
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  [ -d "$HOME/.cargo/bin" ] && PATH=$HOME/.cargo/bin:$PATH
  command -v cc > /dev/null || packages+=(gcc libc6-dev)
  have=$(rust_version)
  if [ -z "$have" ] || ! at_least "$have" "$wanted" || ! command -v cargo > /dev/null; then
    packages+=("$(rust_package rustc)" "$(rust_package cargo)")
  fi
  [ ${#packages[@]} -gt 0 ] || return 0
  install_packages "A C compiler and Rust $wanted or newer are needed." "${packages[@]}" || exit 1
  hash -r
  have=$(rust_version)
  if [ -z "$have" ] || ! at_least "$have" "$wanted"; then
    echo "rustc ${have:-} is too old: $wanted is needed (https://rustup.rs installs it)." >&2
    exit 1
  fi
}
