# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts for processors whose APIC IDs have more than 8 bits."""

import re
from dataclasses import dataclass

from qemu_lab.arm64 import IOMMUFD
from qemu_lab.starts import Start, Starts, refusal
from qemu_lab.x86 import AMD_IOMMU, AmdNvmeTest

MACHINE = 'q35,kernel-irqchip=split'
#: without KVM's own way for interrupts to large APIC IDs
MODEL = 'EPYC,-svm,+x2apic,-kvm-msi-ext-dest-id'
NO_XTSUP = AMD_IOMMU.replace(',xtsup=on', '')


@dataclass(frozen=True)
class Vcpus(Start):
    """A start that has @vcpus threads"""
    vcpus: int = 0
    monitor: tuple = ('info cpus',)

    def wrong(self, outcome):
        found = len(set(re.findall(r'CPU #(\d+): thread_id', outcome.monitor)))
        return super().wrong(outcome) + \
            ([f'{found} vCPUs, not {self.vcpus}'] if found != self.vcpus else [])


class AmdVcpus(AmdNvmeTest):
    """more than 255 vCPUs with xtsup

    Their APIC IDs need an IOMMU that remaps interrupts to x2APIC IDs. A guest that may have 288
    vCPUs runs with the first and the last one, which does all I/O: its APIC ID is 287, and the
    device's interrupts have to reach it. Machines with 256 and 288 vCPUs are made, and not run.
    """
    scenario = 'x86/amd-vcpus'
    expected_seconds = 60
    guest_test = 'nvme-apic'
    requests = 500
    last = 287

    def l2_machine(self):
        args = super().l2_machine()
        model = args[args.index('-cpu') + 1]
        args[args.index('-cpu') + 1] = model + ',+x2apic,-kvm-msi-ext-dest-id'
        number = self.last + 1
        args[args.index('-smp') + 1] = f'1,maxcpus={number},sockets={number},cores=1,threads=1'
        return args

    def l2_devices(self):
        return [*super().l2_devices(),
                '-device', f'EPYC-x86_64-cpu,socket-id={self.last},core-id=0,thread-id=0']

    def set_up_host(self, host):
        def row(vcpus, iommu):
            return [*IOMMUFD, '-M', MACHINE, '-cpu', MODEL, '-smp', str(vcpus), '-device', iommu,
                    '-device', 'vfio-pci,host=0000:00:03.0,iommufd=iommufd0']

        self.starts = Starts(self, seconds=90)
        self.starts.judge([
            Vcpus('256', row(256, AMD_IOMMU), vcpus=256),
            Vcpus('288', row(288, AMD_IOMMU), vcpus=288),
            refusal('288 without xtsup', 'requires xtsup=on', row(288, NO_XTSUP)),
        ])

    def check(self):
        self.check_set_up()
        self.check_data()
        self.expect_equal(self.l2['apicids'], f'0 {self.last}', "APIC IDs of L2's processors")
        self.expect(self.l2.number('x2apic') > 0, 'L2 has not turned x2APIC on')
        queues = [value for key, value in self.l2.order if key.startswith('affinity_')]
        self.expect('1' in queues, f'queues of L2 interrupt {queues}, not the second processor')
        self.expect(self.l2.number('interrupts') >= self.requests,
                    f'{self.l2["interrupts"]} interrupts at APIC ID {self.last}')
        self.check_no_errors()

    def table(self):
        super().table()
        self.row('interrupts', f'{self.l2.get("interrupts", "?")} at the second processor; '
                 f'APIC IDs {self.l2.get("apicids", "?")}')
        self.row('not run', f'command lines with 256 and 288 vCPUs: {self.starts}')
