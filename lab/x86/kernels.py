# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with other kernels than their host; all of them are in make matrix."""

from x86.nvme import AmdNvme


class AmdNvmeStock(AmdNvme):
    """NVMe behind an AMD vIOMMU, Debian's own kernel in the guest"""
    scenario = 'x86/amd-nvme-stock'
    expected_seconds = 60
    l2_kernel = 'x86_64-stock'
    l2_memory = '1G'
