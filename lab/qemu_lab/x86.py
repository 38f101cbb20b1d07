# SPDX-License-Identifier: GPL-2.0-or-later
"""What all x86 scenarios share: a host with SVM and VT-d, and a guest with an AMD vIOMMU."""

import re

from .arm64 import IOMMUFD
from .interpose import Rules
from .nvme import VerifiedNvme
from .parts import ARCHES
from .testcase import LabTest

#: what TCG lacks of the model
L0_CPU = ',-'.join(['EPYC-Rome,+svm,+npt', *'''fxsr-opt misalignsse osvw topoext perfctr-core clzero
    ibpb amd-stibp nrip-save xsavec xsaves'''.split()])
L2_CPU = 'EPYC,-svm,-vme,-fxsr-opt,-misalignsse,-osvw,-xsavec'
AMD_IOMMU = 'amd-iommu,intremap=on,xtsup=on,dma-remap=on'
#: what QEMU maps and unmaps DMA with: iommufd, and a legacy container
MAPS = ('IOMMU_IOAS_MAP', 'IOMMU_IOAS_MAP_FILE', 'IOMMU_IOAS_COPY', 'VFIO_IOMMU_MAP_DMA')
UNMAPS = ('IOMMU_IOAS_UNMAP', 'VFIO_IOMMU_UNMAP_DMA')
#: events for X86Test.check_no_errors
FAILURES = ('iommufd_backend_map_dma', 'iommufd_backend_unmap_dma_non_exist')
FAILED_IOVA = re.compile(r'iova=(0x[0-9a-f]+)')
#: an unmapped IOVA is invalidated before it can be used again
TRANSLATED = ('iommu.passthrough=0', 'iommu.strict=1')


def maps(calls):
    """How many of the host calls in @calls map"""
    return sum(calls[name] for name in MAPS)


def unmaps(calls):
    """How many of them unmap"""
    return sum(calls[name] for name in UNMAPS)


def others(calls):
    """What else QEMU has asked of iommufd and VFIO: {name: number}"""
    return {name: number for name, number in calls.called().items()
            if name.startswith(('IOMMU_', 'VFIO_')) and name not in MAPS + UNMAPS}


def per(calls, number):
    """Calls for each of @number, for tables"""
    total = (maps(calls) + unmaps(calls)) / number
    return f'{total:.1f} ({maps(calls) / number:.1f} maps, {unmaps(calls) / number:.1f} unmaps)'


def parse_size(size):
    """512M, 2G as bytes"""
    return int(size[:-1]) << {'M': 20, 'G': 30}[size[-1]]


class X86Test(LabTest):
    """An emulated EPYC, whose IOMMU remaps interrupts: without that, Linux assigns no device."""

    arch = ARCHES['x86']
    l1_kernel = 'x86_64'
    l2_kernel = 'x86_64'
    firmware = ('bios-256k.bin', 'kvmvapic.bin', 'linuxboot_dma.bin')
    l0_cpus = 1
    l0_memory = '2G'
    l0_accel = ('-accel', 'tcg,thread=multi')
    l2_cpus = 1
    l2_memory = '512M'

    def l0_machine(self):
        return ['-M', 'q35,kernel-irqchip=split', '-cpu', L0_CPU, *self.l0_accel,
                '-smp', str(self.l0_cpus), '-m', self.l0_memory,
                '-device', 'intel-iommu,intremap=on,caching-mode=off']

    def l1_append(self):
        # A processor that is emulated on a busy machine may miss the ten ticks in which Linux
        # wants to see its timer work.
        return ['console=ttyS0', 'no_timer_check', 'root=/dev/vda', 'rw', 'init=/init', 'panic=-1',
                'intel_iommu=on', 'quiet']

    def l2_machine(self):
        return ['-M', 'q35,kernel-irqchip=split', '-accel', 'kvm', '-cpu', L2_CPU,
                '-smp', str(self.l2_cpus), '-m', self.l2_memory, '-L', '/lab']

    def l2_append(self):
        return ['console=ttyS0', 'no_timer_check', 'panic=-1']

    def interpose(self):
        return Rules()

    def check_no_errors(self):
        """
        The guest's IOMMU has logged no event, and no host call for DMA has failed: except that
        iommufd maps no BARs of devices, which QEMU tries while the guest has no translation, and
        that it says so if there was nothing to unmap.
        """
        self.expect_equal(self.l2['iommu_events'], '0', "events that the guest's IOMMU has logged")
        memory = parse_size(self.l2_memory)
        bars = [line for line in self.trace.lines('iommufd_backend_map_dma')
                if not line.endswith('(0)') and int(FAILED_IOVA.search(line)[1], 16) >= memory]
        nothing = self.trace.count('iommufd_backend_unmap_dma_non_exist')
        for name in MAPS + UNMAPS:
            known = {'IOMMU_IOAS_MAP': len(bars), 'IOMMU_IOAS_UNMAP': nothing}.get(name, 0)
            self.expect_equal(self.calls.failed(name), known, f'{name} that have failed')

    def row_calls(self):
        """All calls that map and unmap"""
        self.row('host calls', f'{maps(self.calls)} maps, {unmaps(self.calls)} unmaps')


class AmdNvmeTest(VerifiedNvme, X86Test):
    """An NVMe controller behind an AMD vIOMMU; every word of its DMA is verified."""

    #: nvme-verify: 128 KiB each, between the guest's marks 1 and 2
    reads = 0
    group_type = 'DMA'
    translated = TRANSLATED
    trace_events = FAILURES

    def l2_devices(self):
        return [*IOMMUFD, '-device', AMD_IOMMU,
                '-device', 'vfio-pci,host=0000:00:03.0,addr=4,iommufd=iommufd0']

    @property
    def parameters(self):
        return {**super().parameters, **({'reads': self.reads} if self.reads else {})}

    def l2_append(self):
        return [*super().l2_append(), *self.translated, 'nvme_core.io_timeout=3',
                'nvme_core.admin_timeout=3']

    def beside_guest(self, guest):
        if self.reads:
            before = guest.mark(1)
            #: host calls of the reads
            self.for_reads = guest.mark(2) - before

    def check_set_up(self):
        """L2 has the device where it should be."""
        self.expect_equal(self.l2['group_type'], self.group_type,
                          "the type of the device's group in L2")
        self.assertIn('ivhd', self.l2['iommu'], 'the device is behind an AMD IOMMU in L2')
        self.check_interrupts()

    def check_interrupts(self):
        """Linux says that the IOMMU remaps interrupts."""
        self.expect(self.l2.number('remapped') > 0, 'L2 remaps no interrupts')

    def table(self):
        self.row_device()
        self.row('group type', self.l2.get('group_type', '?'))
        self.row_bytes()
        self.row_calls()
