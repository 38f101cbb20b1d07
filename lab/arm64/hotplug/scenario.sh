# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The only device behind an accelerated SMMU is unplugged and plugged again: the guest reads it each time, and the host
# has as many objects after that as before.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="hot-unplug down to the last device, and hot-plug"
EXPECTED_SECONDS=60
GUEST_TEST=nvme-hotplug
L1_SCRIPT=hotplug-cycles
cycles=${LAB_CYCLES:-3}
TIMEOUT=$((120 + cycles * 20))
L2_TIMEOUT=$((80 + cycles * 20))
device="vfio-pci,id=dev0,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
L1_FILES=("cycles=$cycles" "device=$device" "gone=smmuv3_accel_unset_device")
L2_DEVICES=("${L2_DEVICES[@]::${#L2_DEVICES[@]}-1}" "$device")
L2_APPEND+=" lab_cycles=$cycles"
TRACE_EVENTS+=(iommufd_backend_free_id iommufd_backend_alloc_ioas)

# How many objects of the host there are each time a device is there and set up by the guest
live_objects() {
    awk '/(iommufd_backend_alloc_hwpt|iommufd_viommu_alloc[a-z_]*) .*\(0\)$/ || /iommufd_backend_alloc_ioas/ { live++ }
         /(iommufd_backend_free_id|iommufd_viommu_free_veventq) .*\(0\)$/ { live-- }
         /smmuv3_accel_install_ste/ { print live }' "$out/trace.log" | tr '\n' ' '
}

# same NUMBER...: is it the same number, cycles + 1 times?
same() {
    [ $# -eq $((cycles + 1)) ] && [ "$(printf '%s\n' "$@" | sort -u | wc -l)" -eq 1 ]
}

check() {
    check_set_up
    expect "L2 has read the device right $((cycles + 1)) times" test "${L2[good_reads]-}" = $((cycles + 1))
    expect "it was plugged $cycles times" test "$(l1 cycles)" -eq "$cycles"
    # shellcheck disable=SC2046  # a list of numbers
    expect "the host has as many objects as at first" same $(live_objects)
    no_errors
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "plugged" "once cold, $(l1 cycles) times hot; read right ${L2[good_reads]:-0} times"
    row "host objects" "$(live_objects)each time the device was there"
}
