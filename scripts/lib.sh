# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts share: folders, messages, the display of steps, and that nothing
# a script started survives it. Sourced; the caller has set -euo pipefail.

# shellcheck disable=SC2034  # the folders are for the scripts that source this
repo_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=$repo_dir/build
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/qemu-viommu

say() { printf '%s\n' "$*"; }
note() { printf 'note: %s\n' "$*" >&2; }

# die MESSAGE [REMEDY]
die() {
    printf 'error: %s\n' "$1" >&2
    if [ -n "${2:-}" ]; then printf '  %s\n' "$2" >&2; fi
    exit 1
}

# Commands run through `step` and `hold` have a process group each, so that whatever
# ends this script can end all of them.
lib_groups=()

lib_end_groups() {
    local group
    for group in "${lib_groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
    for group in "${lib_groups[@]}"; do wait "$group" 2>/dev/null || true; done
    lib_groups=()
}

lib_interrupted() {
    trap '' INT TERM HUP
    lib_end_groups
    exit 130
}
trap lib_interrupted INT TERM HUP

# hold COMMAND...: run it in a process group of its own that ends with this script.
hold() {
    local group rc=0
    set -m
    "$@" &
    group=$!
    set +m
    lib_groups=("$group")
    wait "$group" || rc=$?
    lib_groups=()
    return "$rc"
}

duration() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

expected() {
    if [ "$1" -ge 90 ]; then echo "about $((($1 + 30) / 60)) min"; else echo "about $1 s"; fi
}

# steps N: the steps that follow are numbered 1 to N.
steps() { lib_steps=$1 lib_step=0; }

# step TEXT EXPECTED_SECONDS COMMAND...
step() {
    local text=$1 seconds=$2 name log start rc=0
    shift 2
    name=$(tr -cs 'A-Za-z0-9.\n' '-' <<<"$text")
    log=$build_dir/log/${name%-}.log
    mkdir -p "$build_dir/log"
    lib_step=$((${lib_step:-0} + 1))
    printf '[%d/%d] %s (%s) ... ' "$lib_step" "${lib_steps:-1}" "$text" "$(expected "$seconds")"
    start=$SECONDS
    hold "$@" >"$log" 2>&1 </dev/null || rc=$?
    if [ "$rc" -eq 0 ]; then
        printf 'done in %s\n' "$(duration $((SECONDS - start)))"
        sed -n 's/^note: /  note: /p' "$log"
        return 0
    fi
    printf 'failed after %s\n' "$(duration $((SECONDS - start)))"
    explain "$log" >&2
    exit 1
}

# explain LOG: what in a log tells why its step failed.
explain() {
    if grep -q 'No space left on device' "$1"; then
        printf 'error: no space left on the disk of %s or %s\n' "$build_dir" "$cache_dir"
        printf '  Free about 12 GB there, then repeat the command.\n'
    elif grep -q '^error: ' "$1"; then
        # One of our own messages: it says everything.
        tac "$1" | sed '/^error: /q' | tac | head -n 12
    else
        # A line of progress may name a file with "error" in it.
        { grep -vE '^(\[[0-9]+/[0-9]+\]|  [A-Z]+  )' "$1" |
            grep -E '(^|[^a-z])([Ee]rror|ERROR|FAILED|fatal)([^a-z]|$)' || tail -n 15 "$1"; } |
            tail -n 15 | sed 's/^/    /'
    fi
    printf '  The whole log: %s\n' "${1#"$PWD/"}"
}

# need_space GB: stop before a download or a build that can't be finished.
need_space() {
    local dir free
    for dir in "$build_dir" "$cache_dir"; do
        mkdir -p "$dir" || die "$dir can't be created"
        free=$(df --output=avail -BM "$dir" | tail -n 1 | tr -dc '0-9')
        free=$((free / 1024))
        [ "$free" -ge "$1" ] ||
            die "$dir has $free GB free, and $1 GB are needed" "Free some space there, then repeat the command."
    done
}

# host_suite: the Debian suite of this machine; ends the script elsewhere.
host_suite() {
    local ID='' VERSION_CODENAME='' PRETTY_NAME='an unknown system'
    # shellcheck disable=SC1090,SC1091
    . "${OS_RELEASE:-/etc/os-release}"
    case "$ID-$VERSION_CODENAME-$(dpkg --print-architecture 2>/dev/null || true)" in
        debian-bookworm-amd64 | debian-trixie-amd64) echo "$VERSION_CODENAME" ;;
        *) die "this is $PRETTY_NAME on $(uname -m): the build needs Debian 12 or 13 on x86_64" \
            "Use such a machine, or a container of it (image debian:13)." ;;
    esac
}

# locked: one at a time in the cache, whatever the number of checkouts.
locked() {
    mkdir -p "$cache_dir" || die "$cache_dir can't be created"
    exec 9>"$cache_dir/lock"
    flock -n 9 || { note "waiting for another build that uses $cache_dir"; flock 9; }
}
