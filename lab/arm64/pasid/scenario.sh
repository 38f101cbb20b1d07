# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# PASIDs of an assigned device. L0's SMMU has substreams and its NVMe controller a PASID capability, so L1's kernel enables
# PASIDs and says so: that is real, and so is the guest, which finds a capability and enables it. In the table before it,
# rows with HOST_ in front have answers of a library between QEMU and the kernel instead.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="PASIDs of an assigned device reach the guest"
EXPECTED_SECONDS=50
GUEST_TEST=nvme-ats
GUEST_SCRIPTS=(nvme-verify)
GUEST_TOOLS+=(ecaps)
L1_PRELOAD=host-answers

L0_MACHINE+=(-global arm-smmuv3.ats=on -global arm-smmuv3.ssidsize=6)
L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk"
            -device "nvme,drive=disk,serial=lab,addr=3,ats=on,x-pasid-width=8")

answers="LD_PRELOAD=/lib/host-answers.so"
fd="-object iommufd,id=fd0"
smmu="-device arm-smmuv3,id=smmuv3.0,primary-bus=pcie.0,accel=on"
vfio="-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0"
# What L1's kernel says of a device with 8 bits behind an SMMU with 6
width=6
cells=(
    "default||virt|pasid=0xff8,pasid_width=$width,pasid_exec=0,pasid_priv=0,pasid_enabled=0,ats=0x100|$fd $smmu $vfio"
    "10.0||virt-10.0|pasid=0xff8,pasid_width=$width|$fd $smmu $vfio"
    "no vIOMMU||virt|pasid=none,ats=0x100|$fd $vfio"
    "SMMU without substreams||virt|pasid=none|$fd $smmu,ssidsize=0 $vfio"
    "SMMU with fewer||virt|pasid=0xff8,pasid_width=$width|$fd $smmu,ssidsize=2 $vfio"
    "another place||virt|pasid=0x400,pasid_width=$width|$fd $smmu $vfio,x-vpasid-cap-offset=0x400"
    "the first place behind another capability||virt|pasid=0x108|$fd $smmu $vfio,x-vpasid-cap-offset=0x108"
    "the last place||virt|pasid=0xff8|$fd $smmu $vfio,x-vpasid-cap-offset=0xff8"
    "alone in the chain||virt|pasid=0x800,ats=none|$fd $smmu $vfio,x-vpasid-cap-offset=0x800,ats=off"
    "a place for what is not there||virt|pasid=none|$fd $vfio,x-vpasid-cap-offset=0x400"
    "HOST_ 20 bits, exec, priv|$answers HOST_PASID=20xp|virt|pasid=0xff8,pasid_width=20,pasid_exec=1,pasid_priv=1|$fd $smmu $vfio"
    "HOST_ 16 bits, exec|$answers HOST_PASID=16x|virt|pasid=0xff8,pasid_width=16,pasid_exec=1,pasid_priv=0|$fd $smmu $vfio"
    "HOST_ 1 bit, priv|$answers HOST_PASID=1p|virt|pasid=0xff8,pasid_width=1,pasid_exec=0,pasid_priv=1|$fd $smmu $vfio"
    "HOST_ more bits than a PASID has|$answers HOST_PASID=200|virt|pasid=0xff8,pasid_width=20|$fd $smmu $vfio"
    "HOST_ no PASIDs|$answers HOST_PASID=0xp|virt|pasid=none|$fd $smmu $vfio"
    "HOST_ a PASID capability shown by the host|$answers HOST_CONFIG=0x100=0x1801000f,0x180=0x0001001b|virt|pasid=0xff8,pasid_width=$width,ats=0x100|$fd $smmu $vfio"
    "HOST_ no extended capabilities|$answers HOST_CONFIG=0x100=0|virt|pasid=0xff8,ats=none|$fd $smmu $vfio"
)
taken="vfio 0000:00:03.0: vfio-pci 'dev0': no place for the PASID capability .set x-vpasid-cap-offset.:"
wrong="vfio 0000:00:03.0: vfio-pci 'dev0': x-vpasid-cap-offset="
range="is not aligned to 4 bytes within 0x100 to 0xff8: choose another, or leave it out"
starts=(
    "not aligned||1|1|${wrong}0x402 $range|$fd $smmu $vfio,x-vpasid-cap-offset=0x402"
    "not aligned, not needed||1|1|${wrong}0x402 $range|$fd $vfio,x-vpasid-cap-offset=0x402"
    "too low||1|1|${wrong}0xfc $range|$fd $smmu $vfio,x-vpasid-cap-offset=0xfc"
    "too high||1|1|${wrong}0xffc $range|$fd $smmu $vfio,x-vpasid-cap-offset=0xffc"
    "far too high||1|1|${wrong}0x1000 $range|$fd $smmu $vfio,x-vpasid-cap-offset=0x1000"
    "in another capability||1|1|$taken offset 0x100 is taken by the extended capability at 0x100|$fd $smmu $vfio,x-vpasid-cap-offset=0x100"
    "reaching into another capability||1|1|$taken offset 0x104 is taken by the extended capability at 0x100|$fd $smmu $vfio,x-vpasid-cap-offset=0x104"
    "HOST_ registers at the end|$answers HOST_CONFIG=0xffc=1|1|1|$taken offset 0xff8 is taken by registers of the device|$fd $smmu $vfio"
    "HOST_ registers at the end, elsewhere|$answers HOST_CONFIG=0xffc=1|0|1|offset=0x400|$fd $smmu $vfio,x-vpasid-cap-offset=0x400 -trace vfio_pci_pasid"
    "HOST_ a capability of variable size|$answers HOST_CONFIG=0x100=0x2001000b,0x104=0x10000000,0x200=0x00010003|1|1|$taken offset 0x1f8 is taken by the extended capability at 0x100|$fd $smmu $vfio,x-vpasid-cap-offset=0x1f8"
    "HOST_ a chain that ends where it began|$answers HOST_CONFIG=0x100=0x1001000f|1|1|vfio 0000:00:03.0: the host shows a broken chain of extended capabilities, at 0x100|$fd $smmu $vfio"
    "HOST_ a chain into the standard part|$answers HOST_CONFIG=0x100=0x0401000f|1|1|broken chain of extended capabilities, at 0x40|$fd $smmu $vfio"
    "HOST_ a chain to the very end|$answers HOST_CONFIG=0x100=0xffc1000f|1|1|broken chain of extended capabilities, at 0xffc|$fd $smmu $vfio"
    "HOST_ a chain with a loop, no SMMU|$answers HOST_CONFIG=0x100=0x2001000f,0x200=0x3001000b,0x300=0x2001000b|1|1|broken chain of extended capabilities, at 0x200|$fd $vfio"
)
L1_FILES=("config-table=$(printf '%s\n' "${cells[@]}")" "starts=$(printf '%s\n' "${starts[@]}")")
L1_TOOLS=(ecaps)
L1_SETUP_SCRIPTS=(config-table count-lines)
L1_SETUP="sh /lab/config-table.sh $L1_QEMU_NAME; sh /lab/count-lines.sh $L1_QEMU_NAME"

check() {
    check_set_up
    check_data
    no_errors
    expect "all ${#cells[@]} rows of the table are as they should be" test "$(l1 config_good)" -eq ${#cells[@]}
    expect "QEMU made of all ${#starts[@]} places what it should" test "$(l1 start_good)" -eq ${#starts[@]}
    expect "L2 sees the PASID capability, in a chain that is ok" test "${L2[pasid]-}/${L2[chain]-}" = 0xff8/ok
    expect "its width is what L1's kernel says" test "${L2[pasid_width]-}" = "$width"
    expect "L2's kernel has enabled PASIDs" test "${L2[pasid_enabled]-}" = 1
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "table" "$(l1 config_good) of ${#cells[@]} rows, $(l1 start_good) of ${#starts[@]} places"
    row "L2's view" "PASID at ${L2[pasid]-?}, ${L2[pasid_width]-?} bits, enabled: ${L2[pasid_enabled]-?}; chain ${L2[chain]-?}"
}
