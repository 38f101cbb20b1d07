# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced in L1: hands PCI devices to vfio-pci.

# to_vfio ADDRESS
to_vfio() {
    dev=/sys/bus/pci/devices/$1
    echo vfio-pci > "$dev/driver_override"
    [ ! -e "$dev/driver" ] || echo "$1" > "$dev/driver/unbind"
    echo "$1" > /sys/bus/pci/drivers_probe
    if [ ! -d "$dev/vfio-dev" ]; then
        echo "vfio-pci has not taken $1"
        return 1
    fi
    echo "$1 is with vfio-pci: $(cd "$dev/vfio-dev" && echo *), $(readlink -f "$dev/iommu" | sed 's|.*devices/||')"
}

# hand_over ADDRESS [VFS]: the device, or so many virtual functions of it, while it stays with its driver
hand_over() {
    if [ -z "$2" ]; then
        to_vfio "$1"
        return
    fi
    pf=/sys/bus/pci/devices/$1
    echo 0 > "$pf/sriov_drivers_autoprobe"
    echo "$2" > "$pf/sriov_numvfs"
    for net in "$pf"/net/*; do
        ip link set "${net##*/}" up
    done
    for vf in "$pf"/virtfn*; do
        to_vfio "$(basename "$(readlink -f "$vf")")" || return
    done
}
