# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154  # sourced by lab/run
#
# Builds what a scenario runs on: L2's initrd, L1's root file system and the disks. Nothing here needs root or a mount.

# need FILE REMEDY: a part that must be there
need() {
    [ -e "$1" ] || die "$1 is missing" "$2"
}

# built TARGET SOURCE COMPILER...: compiles SOURCE if TARGET is older. Several runs at once are harmless.
built() {
    local target=$1 source=$2
    shift 2
    if [ ! "$target" -nt "$source" ]; then
        mkdir -p "${target%/*}"
        "$@" -o "$target.$$" "$source"
        mv "$target.$$" "$target"
    fi
}

# The shared libraries that FILE needs, and those that these need, by path: from L1_LIBS, or else this machine's
libraries_of() {
    local -A seen=()
    local queue=("$1") file name path
    if [ -z "$L1_LIBS" ]; then
        ldd "$1" | sed -nE 's/^\t(.* => )?(\/[^ ]*) \(.*/\2/p'
        return
    fi
    while [ ${#queue[@]} -gt 0 ]; do
        file=${queue[0]}
        queue=("${queue[@]:1}")
        for name in $("${CROSS}readelf" -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
            [ -z "${seen[$name]-}" ] || continue
            seen[$name]=1
            path=$(find -H "$L1_LIBS" -name "$name" -print -quit)
            [ -n "$path" ] || die "$name, needed by $file, is not in $L1_LIBS" "run 'make qemu'"
            queue+=("$path")
            printf '%s\n' "$path"
        done
    done
}

# put_busybox DIR
# shellcheck disable=SC2153  # BUSYBOX is the machine's
put_busybox() {
    local busybox=$BUSYBOX
    [ -f "$busybox" ] || busybox=$(find -H "$BUSYBOX" -name busybox -path '*/bin/*' -type f -print -quit)
    [ -n "$busybox" ] || die "there is no busybox in $BUSYBOX" "run 'make qemu'"
    cp "$busybox" "$1/busybox"
    ln -s busybox "$1/sh"
}

# put_peer DIR: another QEMU, with the libraries of its own distribution
# shellcheck disable=SC2153  # PEER, PEER_QEMU and PEER_SHARE are the scenario's
put_peer() {
    local libraries lib
    mkdir -p "$1/lib" "$1/share"
    cp "$PEER_QEMU" "$1/qemu"
    cp "${PEER_SHARE[@]}" "$1/share/"
    libraries=$(L1_LIBS=$PEER libraries_of "$PEER_QEMU")
    while IFS= read -r lib; do
        cp -L "$lib" "$1/lib/"
    done <<< "$libraries"
    for lib in "$1"/lib/ld-linux*; do ln -s "${lib##*/}" "$1/lib/ld.so"; done
}

# put_tree DIR: the user space of a distribution, without what only people read
# shellcheck disable=SC2153  # L1_TREE is the scenario's
put_tree() {
    tar -cf - -C "$(realpath "$L1_TREE")" --exclude=./usr/share/{doc,man,locale,info,bash-completion} \
        --exclude=./usr/lib/*/{gconv,perl-base} . | tar -xf - -C "$1"
    [ ! -d "$1/usr/lib64" ] || ln -s usr/lib64 "$1/lib64"
}

make_tools() {
    local uapi=$build_dir/uapi triplet=${CROSS:-x86_64-linux-gnu-} cflags=(-O2 -Wall) tool
    triplet=${triplet%-}
    built "$tools/dmaverify" "$lab_dir/guest/dmaverify.c" gcc "${cflags[@]}"
    for tool in "${GUEST_TOOLS[@]}"; do
        # the headers of the kernel that the lab runs: the machine's may be older
        built "$tools/$ARCH/$tool" "$lab_dir/guest/$tool.c" "${CROSS}gcc" "${cflags[@]}" -static \
            -isystem "$uapi/$triplet" -isystem "$uapi"
    done
    for tool in ${L1_PRELOAD:+"$L1_PRELOAD"} "${L1_SHIMS[@]}"; do
        built "$tools/$ARCH/$tool.so" "$lab_dir/shim/$tool.c" "${CROSS}gcc" "${cflags[@]}" -shared -fPIC \
            -isystem "$uapi/$triplet" -isystem "$uapi"
    done
}

make_initrd() {
    local stage=$out/stage.l2 tool
    mkdir -p "$stage/bin" "$stage/lab" "$stage/dev"
    put_busybox "$stage/bin"
    for tool in "${GUEST_TOOLS[@]}"; do
        cp "$tools/$ARCH/$tool" "$stage/bin/"
    done
    cp "$lab_dir/guest/init" "$stage/init"
    cp "$lab_dir/guest/$GUEST_TEST" "$stage/lab/test"
    for tool in "${GUEST_SCRIPTS[@]}"; do
        cp "$lab_dir/guest/$tool" "$stage/lab/"
    done
    chmod -R u+rwX "$stage"
    (cd "$stage" && find . | LC_ALL=C sort | cpio -o --quiet -H newc -R 0:0 | gzip -1) > "$out/initrd"
    rm -rf "$stage"
}

make_l1_root() {
    local stage=$out/stage.l1 libraries lib file
    mkdir -p "$stage"
    [ -z "$L1_TREE" ] || put_tree "$stage"
    mkdir -p "$stage"/{bin,lib,dev,proc,sys,tmp,lab}
    # where x86_64 programs expect their loader
    [ -e "$stage/lib64" ] || ln -s lib "$stage/lib64"
    put_busybox "$stage/bin"
    "${CROSS}strip" -o "$stage/bin/$L1_QEMU_NAME" "$L1_QEMU"
    # a distribution has its libraries where its loader finds them
    libraries=$(libraries_of "$L1_QEMU")
    while IFS= read -r lib; do
        [ -n "$L1_TREE" ] || cp -L "$lib" "$stage/lib/"
    done <<< "$libraries"
    fill_l1_root "$stage"
    for file in "${FIRMWARE[@]}"; do
        cp -L --sparse=always "$file" "$stage/lab/"
    done
    cp "$KERNEL" "$stage/lab/Image"
    cp "$out/initrd" "$stage/lab/initrd"
    cp "$lab_dir/host/init" "$stage/init"
    for file in "${L1_TOOLS[@]}"; do
        cp "$tools/$ARCH/$file" "$stage/bin/"
    done
    for file in "${L1_SETUP_SCRIPTS[@]}"; do
        cp "$lab_dir/host/$file" "$stage/lab/$file.sh"
    done
    printf '%s\n' "$L1_SETUP" > "$stage/lab/setup"
    for file in "${L1_FILES[@]}"; do
        printf '%s\n' "${file#*=}" > "$stage/lab/${file%%=*}"
    done
    for file in "${L1_COPY[@]}"; do
        need "${file#*=}" "run 'make qemu'"
        cp -L "${file#*=}" "$stage/lab/${file%%=*}"
    done
    [ -z "$L1_SCRIPT" ] || cp "$lab_dir/host/$L1_SCRIPT" "$stage/lab/script"

    printf '%s\n' "${L1_ASSIGN[@]}" > "$stage/lab/assign"
    printf '%s\n' "${TRACE_EVENTS[@]}" > "$stage/lab/trace-events"
    printf '%s\n' "$L2_TIMEOUT" > "$stage/lab/limit"
    printf '%s\n' "${L1_QEMU_ENV[@]}" > "$stage/lab/l2.env"
    for file in ${L1_PRELOAD:+"$L1_PRELOAD"} "${L1_SHIMS[@]}"; do
        cp "$tools/$ARCH/$file.so" "$stage/lib/"
    done
    [ -z "$PEER" ] || put_peer "$stage/peer"
    if [ -n "$L1_PRELOAD" ]; then
        printf '%s\n' "LD_PRELOAD=/lib/$L1_PRELOAD.so" >> "$stage/lab/l2.env"
    fi
    printf '%s\n' "$L1_QEMU_NAME" "${L2_MACHINE[@]}" -nographic -nodefaults -net none "${L2_REBOOT[@]}" -serial stdio -monitor pipe:/tmp/monitor \
        -append "$L2_APPEND" "${L2_DEVICES[@]}" > "$stage/lab/l2.args"

    chmod -R u+rwX "$stage"
    rm -f "$out/root.img"
    truncate -s $(($(du -sm "$stage" | cut -f1) + 64))M "$out/root.img"
    mke2fs -q -t ext4 -O ^has_journal -d "$stage" "$out/root.img"
    rm -rf "$stage"
}
