# SPDX-License-Identifier: GPL-2.0-or-later
"""An NVMe controller behind an AMD vIOMMU, and what the guest's I/O costs in host calls."""

from qemu_lab.control import Control
from qemu_lab.interpose import Rules
from qemu_lab.x86 import (AMD_IOMMU, AmdNvmeTest, TRANSLATED, maps, others, per, unmaps)


class AmdNvme(AmdNvmeTest):
    """NVMe behind an AMD vIOMMU with DMA remapping

    A guest translates the DMA of an assigned NVMe device with an emulated AMD IOMMU, whose page
    tables QEMU shadows in the host.
    """
    scenario = 'x86/amd-nvme'
    expected_seconds = 30
    reads = 200
    #: the guest maps 32 pages, which lie anywhere, for a read, and invalidates all of them at once
    max_calls_per_read = 34

    def check(self):
        self.check_set_up()
        self.check_data()
        self.check_no_errors()
        self.check_cost()

    def check_cost(self):
        """Host calls between the guest's marks"""
        calls = self.for_reads
        self.expect(maps(calls) >= self.reads, f'{maps(calls)} maps for {self.reads} reads: '
                    'the guest did not translate')
        self.expect(unmaps(calls) >= self.reads, f'{unmaps(calls)} unmaps for {self.reads} reads')
        total = maps(calls) + unmaps(calls)
        self.expect(total <= self.max_calls_per_read * self.reads,
                    f'{total} host calls for {self.reads} reads of 128 KiB')
        self.expect_equal(others(calls), {}, 'other host calls for these')

    def table(self):
        super().table()
        self.row('for 128 KiB', f'{per(self.for_reads, self.reads)} to read it, '
                 f'in {self.l2.get("read_us", "?")} us')


class AmdLegacy(AmdNvme):
    """the same with a legacy VFIO container"""
    scenario = 'x86/amd-legacy'

    def l2_devices(self):
        return ['-device', AMD_IOMMU, '-device', 'vfio-pci,host=0000:00:03.0,addr=4']

    def check_cost(self):
        super().check_cost()
        self.expect_equal(self.calls['IOMMU_IOAS_MAP'], 0, 'maps by way of iommufd')


class AmdLazy(AmdNvme):
    """the same with iommu.strict=0

    An IOMMU with NpCache, which tells the guest to invalidate what it has mapped, makes Linux stay
    strict: here it must say so.
    """
    scenario = 'x86/amd-lazy'
    translated = tuple(word.replace('strict=1', 'strict=0') for word in TRANSLATED)

    def check(self):
        super().check()
        self.expect_equal(self.l2['np_cache'], 'yes', "L2's driver has seen NpCache")


class AmdPassthrough(AmdNvme):
    """the same with iommu.passthrough=1

    The guest leaves DMA untranslated: all of its memory is mapped once, and no I/O costs a host
    call.
    """
    scenario = 'x86/amd-passthrough'
    expected_seconds = 20
    group_type = 'identity'
    translated = ('iommu.passthrough=1',)

    def check_cost(self):
        calls = self.for_reads
        self.expect(maps(self.calls) > 0, "the guest's memory was never mapped")
        self.expect_equal((maps(calls), unmaps(calls), others(calls)), (0, 0, {}),
                          f'host calls for {self.reads} reads')


class AmdControl(Control, AmdNvmeTest):
    """control: the same with unmaps lost

    It passes when the check of the data fails.
    """
    scenario = 'x86/amd-control'
    expected_seconds = 25

    def interpose(self):
        # Enough for the guest's driver to come up, not enough to read the namespace once
        return Rules().drop('IOMMU_IOAS_UNMAP', first=151)

    def table(self):
        self.row_device()
        self.row_calls()
        self.row('lost', f'{self.calls.hits(1)} of the unmaps')
        self.row('seen in L2', self.seen())
