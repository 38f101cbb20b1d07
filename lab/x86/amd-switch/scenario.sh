# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The guest switches a device between domains at run time: from the NVMe driver's, which translates, to one that a
# program of the guest has through vfio, and back. The program's DMA is verified, and must stop when it unmaps.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="domains switched at run time: vfio in the guest"
EXPECTED_SECONDS=25
GUEST_TEST=nvme-switch
GUEST_TOOLS=(dmaverify vfio-nvme)
cycles=3
map_bytes=$((4 << 20)) page_bytes=4096
disk_bytes=$((16 << 20))
L2_APPEND+=" lab_cycles=$cycles lab_bytes=$map_bytes lab_page_bytes=$page_bytes"

check_vfio() {
    expect "the namespace has the SHA-256 that it was given" test "${L2[sha256]-}" = "$disk_sha256"
    expect "it went to vfio-pci and back $cycles times" test "${L2[cycles]-}" = "$cycles"
    expect "the driver has read the same each time" test "${L2[good_reads]-}" = "$cycles"
    expect "DMA to each page that was tried arrived, and only there" test "${L2[probes]:-0}" -gt 0
    expect "no DMA arrived once it was unmapped" test "${L2[stopped]-}" = 8
    expect "no command of the driver has waited for its interrupt in vain" test "${L2[timeouts]-}" = 0
    expect "nothing was wrong in L2" test "${L2[verified]-}" = yes
}

check() {
    check_set_up
    check_vfio
    no_errors
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "switched" "to vfio-pci and back ${L2[cycles]:-0} times, read right ${L2[good_reads]:-0} times"
    row "mapped by vfio" "$map_bytes bytes, ${L2[probes]:-0} pages tried each time"
    row "to map that" "$(host_calls_per "$cycles" 3 4) for $(runs 3 4) runs in all, ${L2[map_us]-?} us"
    row "to unmap it" "$(host_calls_per "$cycles" 5 6), ${L2[unmap_us]-?} us"
}
