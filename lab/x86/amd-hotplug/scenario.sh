# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A device behind an AMD vIOMMU is unplugged and plugged again: the guest reads it each time, and the host has as many
# objects after that as before. LAB_CYCLES says how often.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="hot-unplug and hot-plug behind an AMD vIOMMU"
EXPECTED_SECONDS=35
GUEST_TEST=nvme-hotplug
L1_SCRIPT=hotplug-cycles
cycles=${LAB_CYCLES:-3}
TIMEOUT=$((120 + cycles * 20))
L2_TIMEOUT=$((80 + cycles * 20))
device="vfio-pci,id=dev0,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
# The last that QEMU does with the device's objects
L1_FILES=("cycles=$cycles" "device=$device" "gone=iommufd_backend_disconnect")
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "$AMD_IOMMU"
    -device "pcie-root-port,id=p1,bus=pcie.0,chassis=1,addr=4"
    -device "$device"
)
L2_APPEND+=" lab_cycles=$cycles"
TRACE_EVENTS+=(iommufd_backend_connect iommufd_backend_disconnect iommufd_backend_alloc_ioas iommufd_backend_alloc_hwpt
               iommufd_backend_free_id)

# How many objects of the host QEMU has each time that it has just taken the device
live_objects() {
    awk '/iommufd_backend_alloc_hwpt .*\(0\)$/ || /iommufd_backend_alloc_ioas/ { live++; new = 1 }
         /iommufd_backend_free_id .*\(0\)$/ { live-- }
         /vfio_pci_write_config/ && new { print live; new = 0 }' "$out/trace.log" | tr '\n' ' '
}

# same NUMBER...: is it the same number, cycles + 1 times?
same() {
    [ $# -eq $((cycles + 1)) ] && [ "$(printf '%s\n' "$@" | sort -u | wc -l)" -eq 1 ]
}

check() {
    check_set_up
    expect "L2 has read the device right $((cycles + 1)) times" test "${L2[good_reads]-}" = $((cycles + 1))
    expect "what it has read has the SHA-256 that it was given" test "${L2[sha256]-}" = "$disk_sha256"
    expect "it was plugged $cycles times" test "$(l1 cycles)" -eq "$cycles"
    # shellcheck disable=SC2046  # a list of numbers
    expect "the host has as many objects as at first" same $(live_objects)
    no_errors
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "plugged" "once cold, $(l1 cycles) times hot; read right ${L2[good_reads]:-0} times"
    row "host objects" "$(live_objects)each time the device was there"
    row "host calls" "$(host_calls | sed 's/ / maps, /') unmaps"
}
