# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Like x86/amd-nvme, with a legacy VFIO container in place of iommufd.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="the same with a legacy VFIO container"
L2_DEVICES=(-device "$AMD_IOMMU" -device "vfio-pci,host=0000:00:03.0,addr=4")
# vfio_iommu_map_notify: there is no event of its own for the container's calls, and each of these leads to one
TRACE_EVENTS=(vfio_iommu_map_notify vfio_pci_write_config)
