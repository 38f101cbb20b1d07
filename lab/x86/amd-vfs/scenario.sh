# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# 16 SR-IOV VFs of emulated igb network functions, all assigned to one guest with an AMD vIOMMU: they send each other
# frames, each word of which is verified. Linux makes at most 7 VFs of an igb function, so there are three.

TITLE="16 SR-IOV VFs behind an AMD vIOMMU"
EXPECTED_SECONDS=60
GUEST_TEST=net-several
GUEST_TOOLS=(netverify)

# shellcheck source=lab/x86/machine.sh
source "$lab_dir/x86/machine.sh"

# VFs of each function
functions=(6 5 5)
vfs=16
frames=30

# The functions are linked by a hub, as by a switch
L0_DEVICES=() L1_ASSIGN=()
L2_DEVICES=(-object "iommufd,id=iommufd0" -device "$AMD_IOMMU")
slot=4
for i in "${!functions[@]}"; do
    bus=$(printf '0000:%02x' $((i + 1)))
    L0_DEVICES+=(-netdev "hubport,id=net$i,hubid=0"
                 -device "pcie-root-port,id=p$i,chassis=$((i + 1)),addr=$((i + 3)),mem-reserve=2M,pref64-reserve=2M"
                 -device "igb,bus=p$i,netdev=net$i,mac=52:54:00:00:00:0$i")
    L1_ASSIGN+=("$bus:00.0 ${functions[i]}")
    for ((vf = 0; vf < functions[i]; vf++)); do
        devfn=$((0x80 + 2 * vf))
        L2_DEVICES+=(-device "$(printf 'vfio-pci,host=%s:%02x.%x,addr=%#x,iommufd=iommufd0' \
                               "$bus" $((devfn >> 3)) $((devfn & 7)) $slot)")
        slot=$((slot + 1))
    done
done
L1_APPEND+=" pci=realloc"
# Until the guest translates, all of its memory is mapped and pinned for each VF
L2_MACHINE+=(-m 160M)
L2_APPEND+="$L2_TRANSLATED lab_devices=$vfs lab_frames=$frames"

TRACE_EVENTS=("iommufd_backend_map_dma" "iommufd_backend_unmap_dma*" iommufd_backend_alloc_ioas)

check() {
    expect "$vfs functions are there in L2" test "${L2[ports]-}" = "$vfs"
    expect "all of them are behind the IOMMU" test "${L2[behind_iommu]-}" = "$vfs"
    expect "each is in a group of its own" test "${L2[groups]-}" = "$vfs"
    expect "their groups are of type DMA" test "${L2[group_types]-}" = DMA
    expect "their driver is igbvf" test "${L2[driver]-}" = igbvf
    expect "each has sent $frames frames, and every word was right" test "${L2[frames]-}" = $((vfs * frames))
    expect "nothing was wrong in L2" test "${L2[verified]-}" = yes
    expect "each has an address space of its own in the host" test "$(l1 event_iommufd_backend_alloc_ioas)" -ge "$vfs"
    expect "no host call failed" not failed_calls
    expect "the guest's IOMMU logged no event" test "${L2[iommu_events]:-0}" -eq 0
}

table() {
    row "devices" "${L2[ports]-0} VFs with ${L2[driver]-no driver}, in ${L2[groups]-0} groups of type ${L2[group_types]-?}"
    row "bytes verified" "${L2[bytes_verified]:-0} in ${L2[frames]:-0} frames (${L2[resent]:-0} sent again)"
    row "host calls" "$(host_calls | sed 's/ / maps, /') unmaps"
}
