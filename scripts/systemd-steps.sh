# Sourced by scripts/systemd-checks and scripts/limits-checks, which run below a systemd: the words and looks that their steps have
# in common.
# shellcheck shell=bash disable=SC2034 # the variables are for the scripts that source this

export PATH=/opt/uvkeeper:$PATH
D=/var/lib/server
export UVKEEPER_SIDECAR=/opt/uvkeeper/uvkeeper-sidecar

ok() { printf 'ok    %s\n' "$*"; }
fail() {
    printf 'FAIL  %s\n' "$*" >&2
    local log
    for log in /var/lib/*/keeper-*.log /var/lib/*/*.launch.log /home/*/.pi/dashboard/sessions/keeper-*.log /tmp/last; do
        if [ -s "$log" ]; then printf -- '--- %s\n%s\n' "$log" "$(tail -n 12 "$log")" >&2; fi
    done
    systemctl list-units --no-legend --all 'uvkeeper*' '*server*' 'user@*' >&2 || true
    exit 1
}
# expect WHAT COMMAND...
expect() {
    local what=$1
    shift
    "$@" >/tmp/last 2>&1 || fail "$what: $*"
}
# eventually WHAT COMMAND...: polls for twenty seconds at most.
eventually() {
    local what=$1 attempt
    shift
    for ((attempt = 0; attempt < 200; attempt++)); do
        if "$@" >/tmp/last 2>&1; then return; fi
        sleep 0.1
    done
    fail "waited 20 s in vain: $what"
}
has() { grep -qF -- "$1" <<<"$2" || { printf '%s is not in: %s\n' "$1" "$2"; return 1; }; }
lacks() { ! grep -qF -- "$1" <<<"$2"; }
keeper() { cat "$1/$2.rpc.sock.pid"; }
child() { cat "$1/$2.rpc.sock.pi-pid"; }
# Its keeper has made its socket, which is after the child's start; one that is still asking for a scope has no epoch to tell.
runs() { uvkeeper status --sessions-dir "$1" "$2" --json | grep -q '"epoch":'; }
ended() { ! [ -e "$1/$2.rpc.sock.pid" ]; }
group() { sed -n 's/^0:://p' "/proc/$1/cgroup"; }
record() { cat "$1/$2.session.json"; }
# The group of a session; its keeper is in one below it, beside the child's, where memory is counted.
group_of() { group "$(keeper "$1" "$2")" | sed 's,/keeper$,,'; }
scope_of() { basename "$(group_of "$1" "$2")"; }

# unit NAME LINE...: a service with these lines.
unit() {
    local name=$1
    shift
    {
        printf '[Service]\nEnvironment=PATH=%s UVKEEPER_SIDECAR=%s\n' "$PATH" "$UVKEEPER_SIDECAR"
        printf '%s\n' "$@"
    } >"/etc/systemd/system/$name.service"
    systemctl daemon-reload
}
spawn="uvkeeper spawn --sessions-dir $D"

# started ARGUMENTS...: `uvkeeper spawn` in a service that ends at once.
started() {
    systemd-run --quiet --wait --setenv=PATH="$PATH" --setenv=UVKEEPER_SIDECAR="$UVKEEPER_SIDECAR" \
        uvkeeper spawn --sessions-dir $D "$@"
}
