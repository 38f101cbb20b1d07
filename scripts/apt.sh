# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's package client with a state of its own, below the cache: nothing of the
# machine's package configuration changes. Sourced after lib.sh.

# shellcheck disable=SC2154  # cache_dir is of lib.sh
apt_key=/usr/share/keyrings/debian-archive-keyring.gpg

# The archive that this machine uses, by its own configuration.
apt_archive() {
    apt-get indextargets --format "\$(REPO_URI)" 2>/dev/null |
        grep -E '^(https?|file|mirror\+[a-z]+)://?.*/debian/?$' | head -n 1
}

# apt_use ARCH SUITE...: choose the state that the other functions work on.
apt_use() {
    local arch=$1 suite dir archive
    shift
    command -v apt-get >/dev/null || die "there is no apt-get on this machine" \
        "The base comes from Debian's archive: build on Debian 12 or 13."
    dir=$cache_dir/apt/$(tr ' ' '+' <<<"$*")-$arch
    apt_dir=$dir
    apt_options=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State::lists=$dir/lists" -o "Dir::State::status=$dir/status"
        -o "Dir::State::extended_states=$dir/extended" -o "Dir::Cache=$dir/cache"
        -o "Dir::Cache::archives=$dir/archives" -o APT::Sandbox::User=
        -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch"
        -o APT::Update::Error-Mode=any -o Acquire::Retries=2 -o Dpkg::Use-Pty=0 -q)
    mkdir -p "$dir"/{lists/partial,archives/partial,cache}
    : >"$dir/status"
    archive=$(apt_archive) || archive=
    [ -n "$archive" ] || die "this machine has no Debian archive configured" \
        "Add one to /etc/apt/sources.list, for instance the line of a fresh installation."
    [ -r "$apt_key" ] || die "$apt_key is missing" "Install the package debian-archive-keyring."
    for suite; do
        printf '%s [signed-by=%s] %s %s main\n' deb "$apt_key" "$archive" "$suite" \
            deb-src "$apt_key" "$archive" "$suite"
    done >"$dir/sources.list.new"
    # Other suites or another archive: the lists are of no use any more.
    cmp -s "$dir/sources.list.new" "$dir/sources.list" || rm -f "$dir/updated"
    mv "$dir/sources.list.new" "$dir/sources.list"
}

# apt_update: fetch the lists, at most once a day.
apt_update() {
    local log=$apt_dir/log
    if [ -n "$(find "$apt_dir/updated" -mtime -1 2>/dev/null)" ]; then return; fi
    apt-get "${apt_options[@]}" update >"$log" 2>&1 || apt_explain "$log"
    touch "$apt_dir/updated"
}

# apt_explain LOG: end with the one message that says why the client failed.
apt_explain() {
    local line
    # apt's own reason is indented below the address it could not fetch.
    line=$(grep -m 1 -E '^  .*([Cc]ould|[Cc]an|[Uu]nable|failure|error|verif|timed out|[0-9]{3} )' "$1") ||
        line=$(grep -m 1 -E '^(E|W|Err)' "$1") || line=$(tail -n 1 "$1")
    line=${line#"${line%%[! ]*}"}
    if grep -q 'No space left' "$1"; then
        die "no space left on the disk of $cache_dir" "Free about 12 GB, then repeat the command."
    elif grep -qE 'NO_PUBKEY|BADSIG|EXPKEYSIG|is not signed|signature|GPG error' "$1"; then
        die "the archive's signature can't be verified: $line" \
            "Update the package debian-archive-keyring; a proxy that alters the archive shows like this too."
    elif grep -qiE 'Hash Sum mismatch|unexpected size' "$1"; then
        die "a download is not what the archive's signed index says: $line" \
            "A mirror in the middle of its update shows like this: repeat in an hour."
    elif grep -qE 'resolve|connect|Connection|timed out|unreachable|Failed to fetch|50[0-9] ' "$1"; then
        die "Debian's archive can't be reached: $line" \
            "Check the network; behind a proxy, set http_proxy. What was fetched before is kept."
    fi
    die "apt-get failed: $line" "The whole log: $1"
}

# apt_get ARGUMENTS...: apt-get in the current folder, with its failures explained.
apt_get() {
    local log=$apt_dir/log
    apt-get "${apt_options[@]}" "$@" >"$log" 2>&1 && return
    # The lists may be the reason: the next run fetches them again.
    rm -f "$apt_dir/updated"
    apt_explain "$log"
}

apt_cache() { apt-cache "${apt_options[@]}" "$@"; }

# apt_unpack DEB DIR: its files, into a tree whose /lib may be a link to /usr/lib.
apt_unpack() { dpkg-deb --fsys-tarfile "$1" | tar -xf - -C "$2" --keep-directory-symlink; }

# apt_record DEB DIR: dpkg's database in DIR as if the package were installed there, for
# dpkg-shlibdeps, which asks it whose a library is
apt_record() {
    local db=$2/var/lib/dpkg name file
    mkdir -p "$db/info"
    # names with an architecture
    echo 1 >"$db/info/format"
    name=$(dpkg-deb -f "$1" Package)
    if [ "$(dpkg-deb -f "$1" Multi-Arch)" = same ]; then name+=:$(dpkg-deb -f "$1" Architecture); fi
    { dpkg-deb -f "$1" && printf 'Status: install ok installed\n\n'; } >>"$db/status"
    dpkg-deb --fsys-tarfile "$1" | tar -tf - | sed 's,^\.,,; s,/$,,; s,^$,/.,' >"$db/info/$name.list"
    dpkg-deb -e "$1" "$db/control"
    for file in shlibs symbols; do
        if [ -f "$db/control/$file" ]; then mv "$db/control/$file" "$db/info/$name.$file"; fi
    done
    rm -r "$db/control"
}
