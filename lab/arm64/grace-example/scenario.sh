# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The example of the seed texts (resolve-auto-properties), as it is written: a GPU's eight generic initiators, an
# accelerated SMMU that takes everything from its host, and NVMe and e1000 beside it. Changed are the address of the
# device on the host, sizes of memory and paths; an NVMe device stands in for the GPU, with a controller memory buffer as
# its large BAR. The lab adds a kernel with its initrd, for there is no installed guest.

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

TITLE="the example of the seeds, flag by flag"
EXPECTED_SECONDS=60
GUEST_TEST=grace-topology
TIMEOUT=240
L2_TIMEOUT=180

disk=$out/disk.img
disk_bytes=$((16 << 20))
guest=$out/guest.qcow2
guest_bytes=$((8 << 20))
seed=20260102

# L1 needs the memory that four CPUs' worth of L2 takes
L0_MACHINE+=(-m 3G)
L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk" -device "nvme,drive=disk,serial=lab,addr=3,cmb_size_mb=64")
L1_ASSIGN=(0000:00:03.0)
L1_COPY=("guest.qcow2=$guest" "efi-e1000.rom=$build_dir/base-packages/usr/share/qemu/efi-e1000.rom")

L2_MACHINE=(
    -object "iommufd,id=iommufd0"
    -machine "virt,accel=kvm,gic-version=3,ras=on,highmem-mmio-size=4T"
    -cpu host -smp "cpus=4" -m "size=1G" -nographic
    -object "memory-backend-ram,size=1G,id=m0"
    -numa "node,memdev=m0,cpus=0-3,nodeid=0"
    -numa "node,nodeid=1" -numa "node,nodeid=2" -numa "node,nodeid=3" -numa "node,nodeid=4"
    -numa "node,nodeid=5" -numa "node,nodeid=6" -numa "node,nodeid=7" -numa "node,nodeid=8"
    -kernel /lab/Image -initrd /lab/initrd
)
L2_DEVICES=(
    -device "pxb-pcie,id=pcie.1,bus_nr=1,bus=pcie.0,numa_node=0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,ats=auto,ssidsize=auto,ril=auto,oas=auto"
    -device "pcie-root-port,id=pcie.port1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "vfio-pci-nohotplug,host=0000:00:03.0,bus=pcie.port1,rombar=0,id=dev0,iommufd=iommufd0,ats=auto"
    -object "acpi-generic-initiator,id=gi0,pci-dev=dev0,node=1"
    -object "acpi-generic-initiator,id=gi1,pci-dev=dev0,node=2"
    -object "acpi-generic-initiator,id=gi2,pci-dev=dev0,node=3"
    -object "acpi-generic-initiator,id=gi3,pci-dev=dev0,node=4"
    -object "acpi-generic-initiator,id=gi4,pci-dev=dev0,node=5"
    -object "acpi-generic-initiator,id=gi5,pci-dev=dev0,node=6"
    -object "acpi-generic-initiator,id=gi6,pci-dev=dev0,node=7"
    -object "acpi-generic-initiator,id=gi7,pci-dev=dev0,node=8"
    -bios /lab/AAVMF_CODE.fd
    -device "nvme,drive=nvme0,serial=deadbeaf1,bus=pcie.0"
    -drive "file=/lab/guest.qcow2,index=0,media=disk,format=qcow2,if=none,id=nvme0"
    -device "e1000,romfile=/lab/efi-e1000.rom,netdev=net0,bus=pcie.0"
    -netdev "user,id=net0,hostfwd=tcp::5558-:22,hostfwd=tcp::5586-:5586"
)
L2_APPEND+=" iommu.strict=1 nvme.use_cmb_sqes=0 nvme_core.io_timeout=3 nvme_core.admin_timeout=3 lab_seed=$seed"

TRACE_EVENTS=("smmuv3_accel_*" smmuv3_cmdq_consume_error acpi_gpu_node acpi_generic_initiator)

prepare_files() {
    "$tools/dmaverify" fill "$disk" "$disk_bytes" "$seed"
    "$tools/dmaverify" fill "$out/guest.img" "$guest_bytes" "$seed"
    "$build_dir/obj/native/qemu-img" convert -O qcow2 "$out/guest.img" "$guest"
    disk_sha256=$(sha256sum < "$disk")
    guest_sha256=$(sha256sum < "$out/guest.img")
}

check() {
    expect "L2 has four CPUs" test "${L2[cpus]-}" = 0-3
    expect "L2 has nine nodes, eight of them without memory" test "${L2[nodes]-}" = "0-8 0"
    expect "eight nodes have a generic initiator" test "${L2[generic_initiators]-}" = 1-8
    expect "SRAT lists them in the order of the command line, for 02:00.0" \
        test "${L2[srat]-}" = "1=0200 2=0200 3=0200 4=0200 5=0200 6=0200 7=0200 8=0200"
    expect "the device has an ACPI node below its root port" \
        test "${L2[firmware_node]-}" = '\_SB_.PC01.S00_.S00_'
    expect "its node says which NUMA nodes are its own" test "${L2[pxm]-}" = "1+8"
    expect "the device is at the bus and near the node of the expander bridge" \
        test "${L2[device]-} ${L2[numa_node]-}" = "0000:02:00.0 0"
    expect "its large BAR is above 4 GiB, in the window of 4 TiB" test "${L2[bar_in_window]-}" = yes
    expect "the root port has no I/O window" test "${L2[port_io]-}" = none
    expect "its group in L2 is of type DMA, and it is alone there" test "${L2[group_type]-} ${L2[group_size]-}" = "DMA 1"
    expect "the device is behind an SMMUv3" contains "${L2[iommu]-}" smmu3
    expect "NVMe and e1000 on pcie.0 are behind none" test "${L2[others_behind]-}" = 0
    expect "the assigned device's data is right" test "${L2[assigned_sha256]-}  -" = "$disk_sha256"
    expect "the emulated NVMe device's data is right" test "${L2[emulated_sha256]-}  -" = "$guest_sha256"
    expect "e1000 has a link" test "${L2[e1000]-}" = up
    expect "L1's QEMU attached a nested HWPT" test "$(l1 event_smmuv3_accel_attach_hwpt)" -ge 1
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
    expect "no command of the guest was in error" test "$(l1 event_smmuv3_cmdq_consume_error)" -eq 0
}

table() {
    row "nodes" "${L2[nodes]-?} with memory, generic initiators ${L2[generic_initiators]-?}"
    row "GPU node" "${L2[firmware_node]-?}, nodes ${L2[pxm]-?}"
    row "device" "${L2[device]-?}, group of type ${L2[group_type]-?}, behind ${L2[iommu]-no IOMMU}"
    row "BARs" "${L2[bars]-?}"
}
