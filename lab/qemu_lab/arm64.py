# SPDX-License-Identifier: GPL-2.0-or-later
"""What all arm64 scenarios share: a host with an SMMUv3 that can nest, and a guest behind one."""

import os

from .interpose import Rules
from .nvme import VerifiedNvme
from .parts import ARCHES
from .testcase import LabTest

IOMMUFD = ['-object', 'iommufd,id=iommufd0']
#: no CPU features that only cost time in emulation; pointer authentication is needed, but
#: may be cheap
L0_CPU = ['-cpu', 'max,sve=off,lpa2=off,pauth-impdef=on', '-accel', 'tcg,thread=multi',
          '-smp', '2', '-m', '2G']


class Arm64Test(LabTest):
    """A host with an SMMUv3"""

    arch = ARCHES['arm64']
    l1_kernel = 'arm64'
    l2_kernel = 'arm64'
    firmware = ('AAVMF_CODE.fd',)
    #: UEFI and ACPI in L2, or a device tree
    l2_firmware = True
    l2_cpus = 4
    l2_memory = '512M'

    def l0_machine(self):
        # EL2 for L1's KVM
        return ['-M', 'virt,virtualization=on,gic-version=3,iommu=smmuv3',
                '-global', 'arm-smmuv3.stage=nested', *L0_CPU]

    def l1_append(self):
        return ['console=ttyAMA0', 'root=/dev/vda', 'rw', 'init=/init', 'panic=-1', 'quiet']

    def l2_machine(self):
        uefi = {'acpi': True, 'dt': False}.get(os.environ.get('LAB_L2_FIRMWARE'), self.l2_firmware)
        bios = ['-bios', '/lab/AAVMF_CODE.fd'] if uefi else []
        return ['-M', 'virt,gic-version=3', '-accel', 'kvm', '-cpu', 'host',
                '-smp', str(self.l2_cpus), '-m', self.l2_memory, *bios]

    def l2_append(self):
        return ['console=ttyAMA0', 'panic=-1']

    def interpose(self):
        return Rules()


def accelerated(*hosts, smmu='accel=on', vfio=''):
    """
    L2's arguments for an accelerated SMMUv3 before a root bus of its own, with a root port for
    each device of L1 in @hosts. @smmu, @vfio: properties of these devices.
    """
    args = [*IOMMUFD, '-device', 'pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0',
            '-device', f'arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,{smmu}']
    for number in range(1, len(hosts) + 1):
        args += ['-device', f'pcie-root-port,id=p{number},bus=pcie.1,chassis={number},io-reserve=0']
    for number, host in enumerate(hosts, 1):
        args += ['-device', f'vfio-pci,host={host},bus=p{number},iommufd=iommufd0'
                 + (f',{vfio}' if vfio else '')]
    return args


class NvmeTest(VerifiedNvme, Arm64Test):
    """An NVMe controller behind an accelerated SMMUv3; every word of its DMA is verified."""

    trace_events = ('smmuv3_cmdq_opcode', 'smmuv3_cmdq_consume_error', 'smmuv3_msi',
                    'smmuv3_read_mmio', 'smmuv3_accel_*', 'iommufd_backend_alloc_hwpt',
                    'iommufd_viommu_*')
    #: properties of L2's SMMU and its device
    smmu = 'accel=on'
    vfio = ''

    def l2_devices(self):
        return accelerated(*self.assign, smmu=self.smmu, vfio=self.vfio)

    def l2_append(self):
        # Strict: an unmapped IOVA is invalidated before it can be used again
        return [*super().l2_append(), 'iommu.strict=1', 'nvme_core.io_timeout=3',
                'nvme_core.admin_timeout=3']

    def check_set_up(self):
        """L2 has the device where it should be."""
        self.expect_equal(self.l2['group_type'], 'DMA', "the type of the device's group in L2")
        self.assertIn('smmu3', self.l2['iommu'], 'the device is behind an SMMUv3 in L2')
        self.expect(self.trace.count('smmuv3_accel_attach_hwpt') >= 1,
                    "L1's QEMU attached no nested HWPT")

    def check_no_errors(self):
        """No host call and no command has failed."""
        self.expect_equal(self.trace.count('smmuv3_accel_host_error'), 0, 'host calls that failed')
        self.expect_equal(self.trace.count('smmuv3_cmdq_consume_error'), 0, 'commands in error')
        self.expect('Failed to free' not in self.qemu_log(), 'QEMU did not free an object')

    def check(self):
        self.check_set_up()
        self.check_data()
        self.check_no_errors()

    def row_commands(self):
        """What L2 has queued, and the host calls that QEMU made of it"""
        trace = self.trace
        self.row('guest commands', f'{trace.commands("SMMU_CMD_SYNC")} CMD_SYNC, '
                 f'{trace.commands("*_TLBI_*")} TLBI, {trace.commands("*_CFGI_*")} CFGI')
        self.row('host calls', f'{self.calls["IOMMU_HWPT_INVALIDATE"]} '
                 f'for {self.calls.items("IOMMU_HWPT_INVALIDATE")} commands')

    def table(self):
        self.row_device()
        self.row('group type', self.l2.get('group_type', '?'))
        self.row_bytes()
        self.row_commands()
        self.row('nested HWPT', f'{self.trace.count("smmuv3_accel_attach_hwpt")} attached')
