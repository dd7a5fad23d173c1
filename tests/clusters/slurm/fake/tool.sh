#!/bin/bash
# Any command of the fake cluster: it asks the test which answers for the controller, and does as it is told.
# SLURM_CONF names the controller, as for the real commands; it holds a port here.
ask() {
    local port out err code
    read -r port < "$SLURM_CONF"
    exec 7<> "/dev/tcp/127.0.0.1/$port" || return 1
    printf '%d\n' $# >&7
    printf '%s\0' "$@" >&7
    IFS= read -r -d '' out <&7
    IFS= read -r -d '' err <&7
    read -r code <&7
    exec 7>&-
    printf %s "$out"
    printf %s "$err" >&2
    return "${code:-1}"
}

name=${0##*/}
if [ "$name" = flock ]; then # the lock is a real one, only waiting for it is up to the test
    until "${0%/*}/real-flock" --nonblock "${!#}"; do ask flock || exit 1; done
    exit 0
fi
ask "$name" "$@"
