# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with other kernels than their host; all of them are in make matrix."""

from arm64.accel import Accel


class AccelStock(Accel):
    """NVMe behind an accelerated SMMUv3, Debian's own kernel in the guest"""
    scenario = 'arm64/accel-stock'
    expected_seconds = 60
    l2_kernel = 'arm64-stock'
    l2_memory = '1G'
