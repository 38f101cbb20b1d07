# SPDX-License-Identifier: GPL-2.0-or-later
"""Other devices than NVMe behind an AMD vIOMMU: many SR-IOV VFs; DMA that faults."""

import re

from qemu_lab.arm64 import IOMMUFD
from qemu_lab.x86 import AMD_IOMMU, FAILURES, TRANSLATED, X86Test


class AmdVfs(X86Test):
    """16 SR-IOV VFs behind an AMD vIOMMU

    VFs of emulated igb network functions, all assigned to one guest: they send each other frames,
    each word of which is verified. Linux makes at most 7 VFs of an igb function, so there are three
    functions; a hub links them, as a switch would.
    """
    scenario = 'x86/amd-vfs'
    expected_seconds = 70
    guest_test = 'net-several'
    guest_tools = ('netverify',)
    trace_events = FAILURES
    #: VFs of each function
    functions = (6, 5, 5)
    frames = 30
    # Until the guest translates, all of its memory is mapped and pinned for each VF
    l2_memory = '160M'

    assign = tuple((f'0000:{number:02x}:00.0', vfs) for number, vfs in enumerate(functions, 1))
    vfs = sum(functions)

    def l0_devices(self):
        args = []
        for number in range(len(self.functions)):
            args += ['-netdev', f'hubport,id=net{number},hubid=0',
                     '-device', f'pcie-root-port,id=p{number},chassis={number + 1},'
                     f'addr={number + 3},mem-reserve=2M,pref64-reserve=2M',
                     '-device', f'igb,bus=p{number},netdev=net{number},'
                     f'mac=52:54:00:00:00:0{number}']
        return args

    def l1_append(self):
        return [*super().l1_append(), 'pci=realloc']

    def l2_devices(self):
        args = [*IOMMUFD, '-device', AMD_IOMMU]
        slot = 4
        for number, vfs in enumerate(self.functions, 1):
            for devfn in range(0x80, 0x80 + 2 * vfs, 2):
                host = f'0000:{number:02x}:{devfn >> 3:02x}.{devfn & 7:x}'
                args += ['-device', f'vfio-pci,host={host},addr={slot:#x},iommufd=iommufd0']
                slot += 1
        return args

    def l2_append(self):
        return [*super().l2_append(), *TRANSLATED]

    @property
    def parameters(self):
        """For net-several"""
        return {'devices': self.vfs, 'frames': self.frames}

    def check(self):
        vfs = str(self.vfs)
        self.expect_equal(self.l2['ports'], vfs, 'functions in L2')
        self.expect_equal(self.l2['behind_iommu'], vfs, 'functions behind the IOMMU')
        self.expect_equal(self.l2['groups'], vfs, 'groups of their own')
        self.expect_equal(self.l2['group_types'], 'DMA', 'types of these groups')
        self.expect_equal(self.l2['driver'], 'igbvf', 'their driver')
        frames = self.vfs * self.frames
        self.expect_equal(self.l2['frames'], str(frames), 'frames sent and verified')
        self.expect(self.l2.number('resent') <= frames // 4,
                    f'{self.l2["resent"]} frames were sent again')
        self.expect_equal(self.l2['verified'], 'yes', 'every word was right in L2')
        self.expect(self.calls['IOMMU_IOAS_ALLOC'] >= self.vfs,
                    f'{self.calls["IOMMU_IOAS_ALLOC"]} address spaces in the host')
        self.check_no_errors()

    def table(self):
        self.row('devices', f'{self.l2.get("ports", 0)} VFs with {self.l2.get("driver", "?")}, in '
                 f'{self.l2.get("groups", 0)} groups of type {self.l2.get("group_types", "?")}')
        self.row('bytes verified', f'{self.l2.get("bytes_verified", 0)} in '
                 f'{self.l2.get("frames", 0)} frames ({self.l2.get("resent", 0)} sent again)')
        self.row_calls()


class AmdFault(X86Test):
    """DMA faults behind an AMD vIOMMU

    DMA to addresses that the guest has not mapped. An emulated edu device's is found by the vIOMMU,
    which logs events for the guest; an assigned one's is stopped by the host's IOMMU, as the shadow
    has no mapping there.
    """
    scenario = 'x86/amd-fault'
    expected_seconds = 25
    guest_test = 'edu-events'
    guest_tools = ('edu-fault',)
    assign = ('0000:00:03.0',)
    # Four events each; Linux prints ten of a device in five seconds
    faults = 2
    address = 0x0dead000
    l1_allows = (r'DMAR: \[DMA (Read|Write).*00:03\.0', r'DMAR: DRHD: handling fault status')
    l2_allows = (r'00:04\.0: AMD-Vi: Event logged \[IO_PAGE_FAULT .*address=0xdea[de]00',)

    def l0_devices(self):
        return ['-device', 'edu,addr=3']

    def l2_devices(self):
        return [*IOMMUFD, '-device', AMD_IOMMU, '-device', 'edu,addr=4',
                '-device', 'vfio-pci,host=0000:00:03.0,addr=5,iommufd=iommufd0']

    def l2_append(self):
        return [*super().l2_append(), *TRANSLATED]

    @property
    def parameters(self):
        """For edu-events"""
        return {'faults': self.faults, 'address': f'{self.address:#x}'}

    def stopped(self):
        """How many of the assigned device's bad addresses L1's IOMMU has reported"""
        log = self.log('dmesg.log')
        return sum(bool(re.search(rf'DMAR:.*00:03\.0.*fault addr {self.address + 4096 * number:#x}',
                                  log, re.I)) for number in range(self.faults))

    def check(self):
        self.expect_equal(self.l2['group_type'], 'DMA', "the emulated device's group in L2")
        self.expect_equal(self.l2['faults_seen'], str(self.faults), "faults in L2's dmesg")
        self.expect(self.l2['device'] in self.l2['first_event'], 'the first names the device')
        self.expect_equal(self.l2['second_group_type'], 'DMA', "the assigned device's group in L2")
        self.expect_equal(self.l2['second_faults_seen'], '0', "the assigned device's faults in L2")
        self.expect_equal(self.stopped(), self.faults, "faults that L1's IOMMU has stopped")

    def table(self):
        self.row('emulated', f'edu at {self.l2.get("device", "?")}: {self.faults} faults made, '
                 f'{self.l2.get("faults_seen", 0)} seen in L2\'s dmesg')
        self.row('assigned', f'edu at {self.l2.get("second_device", "?")}: {self.faults} faults '
                 f'made, {self.stopped()} stopped in L1')
        self.row('the first', self.l2.get('first_event', '?'))
