# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Like arm64/accel, but the guest boots without firmware: the device tree describes the SMMU, the assigned device and
# the window where the host's MSI doorbell is.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="the same on a device tree, without firmware"
EXPECTED_SECONDS=20

L2_MACHINE=(-M "virt,gic-version=3" -accel kvm -cpu host -m 512M -kernel /lab/Image -initrd /lab/initrd)
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.0,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)

check() {
    check_set_up
    check_data
    expect "the guest has booted on a device tree" test "${L2[firmware]-}" = "device tree"
    no_errors
}
