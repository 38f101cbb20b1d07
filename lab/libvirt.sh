# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by scenarios, after machine.sh
#
# What the scenarios with a libvirt in L1 share: L1's root, which is that of a distribution with our QEMU beside it; and
# the domains, which are the examples of docs/system.

TIMEOUT=480 L2_TIMEOUT=60
# L1's setup starts the guests; QEMU is only asked for its version in the end
L2_MACHINE=(--version)
TRACE_EVENTS=()
# the devices stay with L1's drivers until libvirt takes them
L1_ASSIGN=()
L1_SETUP_SCRIPTS=(libvirt libvirtd domain libvirt-refusals)
GUEST_TEST=nvme-libvirt
GUEST_SCRIPTS=(nvme-verify nvme-refill nvme-hotplug)
disk_bytes=$((8 << 20))
# in place of an example's CPU, where that is marked
L2_CPU_XML=""
requests=300

L1_TREE=${LAB_LIBVIRT:-$build_dir/libvirt$libvirt_suffix}
need "$L1_TREE" "run 'make lab SCENARIO=$scenario'"
L1_LIBS=$L1_TREE

deb_arch=${libvirt_suffix#-}
deb_arch=${deb_arch:-$(dpkg --print-architecture)}
L1_DEB=${LAB_DEB:-$(find "$build_dir/deb" -name "qemu-viommu_*_$deb_arch.deb" 2>/dev/null)}
need "${L1_DEB:-a package of ours}" "run 'make deb'"

# Where our package has its emulator, and where a PATH finds it by QEMU's own name
emulator=/usr/bin/qemu-viommu-system-${L1_QEMU_NAME##*-}
emulator_path=/usr/lib/qemu-viommu/bin

# put_emulator DIR: our QEMU, as its package has it, beside a distribution's
put_emulator() {
    dpkg-deb --fsys-tarfile "$L1_DEB" | tar -xf - -C "$1" --keep-directory-symlink
    ln -sf "$emulator" "$1/bin/$L1_QEMU_NAME"
    mkdir -p "$1/usr/share/qemu"
    [ ${#FIRMWARE[@]} -eq 0 ] || cp -L "${FIRMWARE[@]}" "$1/usr/share/qemu/"
}

fill_l1_root() {
    put_emulator "$1"
    put_firmware "$1"
}

# What the distribution has of UEFI
put_firmware() { :; }

# use_domains MACHINE: what L1 gets of the arrays domains, flags and refusals
use_domains() {
    local domain
    L1_FILES+=("patience=60" "emulator=$emulator" "emulator-path=$emulator_path" "machine=$1"
               "domains=$(printf '%s\n' "${domains[@]}")" "flags=$(printf '%s\n' "${flags[@]}")"
               "refusals=$(printf '%s\n' "${refusals[@]}")")
    for domain in "${domains[@]}"; do
        L1_COPY+=("$domain.xml=$out/$domain.xml" "initrd.$domain=$out/initrd.$domain")
    done
    L1_SETUP+="${L1_SETUP:+; }sh /lab/libvirt.sh"
}

# example DIRECTORY DOMAIN ADDRESS...: the domain's file in docs/system/DIRECTORY, for L1. What is a host's own is marked
# "yours" there, line by line; nothing else is replaced.
example() {
    awk -v emulator="$emulator" -v cpu="$L2_CPU_XML" -v domain="$2" -v addresses="${*:3}" '
        function content(tag, value) { sub("<" tag "( [^>]*)?>[^<]*<", "<" tag ">" value "<") }
        BEGIN { split(addresses, address) }
        /<!-- yours/ {
            content("memory", 512 * 1024)
            content("vcpu", 1)
            if (cpu) { sub(/<cpu [^>]*>/, cpu) }
            content("emulator", emulator)
            content("kernel", "/lab/Image")
            content("initrd", "/lab/initrd." domain)
            sub(/ memory=.16. unit=.GiB./, " memory=\"" 512 * 1024 "\"")
        }
        /<!-- yours/ && /<address / {
            split(address[++n], part, /[:.]/)
            sub("<address [^>]*>", sprintf("<address domain=\"0x%s\" bus=\"0x%s\" slot=\"0x%s\" function=\"0x%s\"/>",
                part[1], part[2], part[3], part[4]))
        }
        { print }' "$repo_dir/docs/system/$1/$2.xml" > "$out/$2.xml"
}

# put_initrd DOMAIN GUEST-TEST PARAMETER...: the part of L2's initrd that is this domain's own, behind the common one
put_initrd() {
    local stage=$out/stage.$1
    mkdir -p "$stage/lab"
    cp "$lab_dir/guest/$2" "$stage/lab/test"
    printf '%s\n' "${@:3}" > "$stage/lab/parameters"
    chmod -R u+rwX "$stage"
    { cat "$out/initrd"
      (cd "$stage" && find . | LC_ALL=C sort | cpio -o --quiet -H newc -R 0:0 | gzip -1); } > "$out/initrd.$1"
    rm -rf "$stage"
}

# What libvirt has found out, and what virsh has done
check_libvirt() {
    local step domain
    expect "libvirt is one that knows these attributes" dpkg --compare-versions "${L1[libvirt]-0}" ge 12.8
    expect "libvirt has found our QEMU" contains "${L1[emulators]-}" "$emulator_path/$L1_QEMU_NAME"
    expect "hostdevs can have iommufd" contains "${L1[iommufd]-}" yes
    expect "libvirt has found all of: ${flags[*]}" test "$(l1 flags)" -eq ${#flags[@]}
    for step in capabilities domcapabilities define start reset detach attach destroy undefine; do
        expect "virsh $step ${domains[0]} worked" test "${L1[$step]-}" = ok
    done
    expect "${domains[0]} has booted twice" test "$(l1 boots)" -eq 2
    for domain in "${domains[@]:1}"; do
        expect "virsh create $domain worked" test "${L1[create_$domain]-}" = ok
        expect "$domain has ended by itself" test "${L1[ended_$domain]-}" = yes
    done
    expect "all ${#refusals[@]} domains were refused with one line" test "$(l1 refused)" -eq ${#refusals[@]} -a ${#refusals[@]} -gt 0
}

# check_domain DOMAIN IOMMU: what its guest says of one assigned device
check_domain() {
    expect "$1: the device's group is of type DMA" test "${L2[$1.group_type]-}" = DMA
    expect "$1: the device is behind an IOMMU named $2" contains "${L2[$1.iommu]-}" "$2"
    expect "$1: $requests random requests were verified" test "${L2[$1.operations]-}" = "$requests"
    expect "$1: every word was right" test "${L2[$1.verified]-}" = yes
}

table_libvirt() {
    row "libvirt" "${L1[libvirt]-?}, with ${L1[hypervisor]-?}, machine type ${L1[machine]-?}"
    row "features" "$(l1 flags) of ${#flags[@]} that libvirt looks for"
    row "refused" "$(l1 refused) of ${#refusals[@]} domains, with one line each"
}

row_domain() {
    row "$1" "${L2[$1.model]-?} at ${L2[$1.device]-?}, behind ${L2[$1.iommu]-no IOMMU}: ${L2[$1.operations]:-0} requests verified"
}
