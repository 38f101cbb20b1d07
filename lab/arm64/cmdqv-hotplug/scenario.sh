# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The only device is unplugged and plugged again while the guest has queues of the host: without a device there is no
# VINTF, so QEMU works on the queues, until the host has them back.

# shellcheck source=lab/arm64/hotplug/scenario.sh
source "$lab_dir/arm64/hotplug/scenario.sh"
# shellcheck source=lab/arm64/grace.sh
source "$lab_dir/arm64/grace.sh"

TITLE="hot-unplug down to the last device, with VCMDQs"
EXPECTED_SECONDS=60
for i in "${!L2_DEVICES[@]}"; do
    [[ ${L2_DEVICES[i]} != arm-smmuv3* ]] || L2_DEVICES[i]+=",cmdqv=on"
done
TRACE_EVENTS+=("tegra241_cmdqv_*" "iommufd_hw_queue_*")

live_objects() {
    awk '/(iommufd_backend_alloc_hwpt|iommufd_viommu_alloc[a-z_]*|iommufd_hw_queue_alloc) .*\(0\)$/ ||
             /iommufd_backend_alloc_ioas/ { live++ }
         /(iommufd_backend_free_id|iommufd_viommu_free_veventq) .*\(0\)$/ { live-- }
         /smmuv3_accel_install_ste/ { print live }' "$out/trace.log" | tr '\n' ' '
}

check() {
    check_set_up
    expect "L2 has read the device right $((cycles + 1)) times" test "${L2[good_reads]-}" = $((cycles + 1))
    expect "it was plugged $cycles times" test "$(l1 cycles)" -eq "$cycles"
    # shellcheck disable=SC2046  # a list of numbers
    expect "the host has as many objects as at first" same $(live_objects)
    no_errors
    expect "the queues were the host's each time" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -eq $((2 * (cycles + 1)))
    expect "no host call for a queue failed" test "$(l1 event_tegra241_cmdqv_host_error)" -eq 0
    expect "L0 found nothing wrong with a queue" not grep -q 'tegra241_cmdqv_consume .*cerror=[^0]' "$out/l0.log"
}
