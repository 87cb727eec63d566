# Sourced by scripts/systemd-check and scripts/limits-check: the Debian that a systemd of their own runs, with the programs in it.
# shellcheck shell=bash

# build_programs: sets `programs` to the directory of debug builds, unless it is set.
build_programs() {
    local product
    if [ -z "$programs" ]; then
        ensure_swift
        ensure_libuv
        for product in uvkeeper uvkeeper-sidecar; do
            swift build --package-path "$root" --product "$product" >"$work/build.log" 2>&1 ||
                { tail -n 20 "$work/build.log" >&2; die 2 "the build failed"; }
        done
        programs=$(swift build --package-path "$root" --show-bin-path)
    fi
    for product in uvkeeper uvkeeper-sidecar; do
        [ -x "$programs/$product" ] || wrong_usage "there is no $programs/$product"
    done
}

# make_debian DIRECTORY
make_debian() {
    [ ! -e "$1/.complete" ] || return 0
    local suite
    suite=$(. /etc/os-release && if [ "${ID-}" = debian ]; then echo "${VERSION_CODENAME-}"; fi)
    say "making $1 with debootstrap"
    mkdir -p "$1"
    debootstrap --variant=minbase --include=systemd,dbus,dbus-user-session,libpam-systemd,procps \
        "${suite:-bookworm}" "$1" >"$1.log" 2>&1 </dev/null ||
        { tail -n 5 "$1.log" >&2; die "$EXIT_UNAVAILABLE" "debootstrap failed: $1.log"; }
    touch "$1/.complete"
}

# lay_root DIRECTORY PLACE: in a mount namespace of its own, mounts at PLACE/root the Debian of a directory, over which a file
# system in memory takes all that is written.
lay_root() {
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$2"
    mkdir -p "$2"/{up,work,root}
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" "$2/root"
}

# add_programs DIRECTORY ROOT FILE...: the programs of a directory, with the libraries that the Debian at ROOT has not, and files for
# its /opt. Status 3 if the programs do not run there.
add_programs() {
    local from=$1 to=$2 program name file known
    shift 2
    mkdir -p "$to/opt/uvkeeper/lib"
    cp "$from/uvkeeper" "$from/uvkeeper-sidecar" "$to/opt/uvkeeper/"
    cp "$@" "$to/opt/"
    known=$(chroot "$to" ldconfig -p)
    for program in uvkeeper uvkeeper-sidecar; do
        { ldd "$from/$program" 2>/dev/null || true; } | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' |
            while read -r name file; do
                if ! grep -qF "$name" <<<"$known"; then cp -L "$file" "$to/opt/uvkeeper/lib/$name"; fi
            done
    done
    echo /opt/uvkeeper/lib >"$to/etc/ld.so.conf.d/uvkeeper.conf"
    chroot "$to" ldconfig
    chroot "$to" /opt/uvkeeper/uvkeeper --version >/dev/null || return 3
}
