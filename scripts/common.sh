# Sourced by every script here: finds the repository, prints help, and installs the few tools a fresh machine lacks.
# Everything runs on bash 3.2 as well, which is what macOS has.
# shellcheck shell=bash disable=SC2034 # the variables are for the scripts that source this

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script=scripts/$(basename "$0")

# Exit statuses that other scripts can rely on, numbered as in sysexits.h.
readonly EXIT_USAGE=64 EXIT_UNAVAILABLE=69 EXIT_CANNOT_CREATE=73

say() { printf '%s: %s\n' "$script" "$*"; }

# die STATUS MESSAGE...
die() {
    local status=$1
    shift
    printf '%s: %s\n' "$script" "$*" >&2
    exit "$status"
}

# The help of a script is the comment at its top, so that there is one text to keep true.
show_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

wrong_usage() {
    printf '%s: %s\n\n' "$script" "$*" >&2
    show_help >&2
    exit "$EXIT_USAGE"
}

# install_packages WHY APT_PACKAGE BREW_PACKAGE
install_packages() {
    local why=$1 apt=$2 brew=$3
    local as_root=()
    if [ "$(uname -s)" = Darwin ]; then
        command -v brew >/dev/null ||
            die "$EXIT_UNAVAILABLE" "$why; install '$brew' (https://brew.sh), then run this again"
        say "$why; running: brew install $brew"
        brew install "$brew" </dev/null
        return
    fi
    command -v apt-get >/dev/null ||
        die "$EXIT_UNAVAILABLE" "$why; install what Debian calls '$apt', then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "$EXIT_UNAVAILABLE" "$why; as root, run: apt-get install $apt"
        as_root=(sudo)
    fi
    say "$why; running: ${as_root[*]:+sudo }apt-get install $apt"
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq </dev/null
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$apt" </dev/null
}

# ensure_tool COMMAND APT_PACKAGE BREW_PACKAGE
ensure_tool() {
    if ! command -v "$1" >/dev/null; then install_packages "$1 is missing" "$2" "$3"; fi
}

ensure_libuv() {
    ensure_tool pkg-config pkg-config pkgconf
    if ! pkg-config --exists libuv; then
        install_packages "libuv's headers are missing (pkg-config knows no 'libuv')" libuv1-dev libuv
    fi
}

ensure_swift() {
    command -v swift >/dev/null ||
        die "$EXIT_UNAVAILABLE" "swift is not on PATH; install Swift 6.2 or newer (https://www.swift.org/install)," \
            "open a new shell and run this again"
}
