# SPDX-License-Identifier: GPL-2.0-or-later
"""Address Translation Services of an assigned device: who has a say, and whether they work."""

from qemu_lab import parts
from qemu_lab.arm64 import NvmeTest, accelerated
from qemu_lab.control import Control
from qemu_lab.interpose import Rules, blunt_atc_inv
from qemu_lab.starts import Config, Start, Starts, refusal
from qemu_lab.trace import Trace, known_events

FD = '-object iommufd,id=fd0'
SMMU = '-device arm-smmuv3,id=smmuv3.0,primary-bus=pcie.0'
VFIO = '-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0'
# without ATS
PLAIN = '-device vfio-pci,id=dev1,host=0000:00:04.0,addr=5,iommufd=fd0'
LEGACY = '-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5'
NO_HOST = 'ats=on, but the host cannot use ATS with the device: set ats to off or auto'
SHOWN = {'ats': '0x100'}
HIDDEN = {'ats': 'none'}


def cell(name, args, wanted, machine='virt'):
    """A row: what a guest sees of ATS"""
    return Config(name, f'{FD} {args}', wanted=wanted, machine=machine)


class Ats(NvmeTest):
    """ATS of an assigned device reaches the guest

    L0's SMMU answers translation requests of an NVMe controller, which keeps the answers in a
    cache. A guest that enables ATS has to invalidate that cache for its data to be right.
    """
    scenario = 'arm64/ats'
    expected_seconds = 60
    guest_test = 'nvme-ats'
    guest_tools = ('dmaverify', 'ecaps')
    assign = ('0000:00:03.0', '0000:00:04.0')
    host_ats = 'on'

    cells = (
        cell('default', VFIO, SHOWN),
        cell('auto', f'{VFIO},ats=auto', SHOWN),
        cell('on', f'{VFIO},ats=on', SHOWN),
        cell('off', f'{VFIO},ats=off', HIDDEN),
        cell('10.0, default', VFIO, SHOWN, 'virt-10.0'),
        cell('10.0, auto', f'{VFIO},ats=auto', SHOWN, 'virt-10.0'),
        cell('10.0, on', f'{VFIO},ats=on', SHOWN, 'virt-10.0'),
        cell('10.0, off', f'{VFIO},ats=off', HIDDEN, 'virt-10.0'),
        cell('9.2, default', VFIO, SHOWN, 'virt-9.2'),
        cell('accelerated, default', f'{SMMU},accel=on {VFIO}', SHOWN),
        cell('accelerated, on', f'{SMMU},accel=on {VFIO},ats=on', SHOWN),
        cell('accelerated, off', f'{SMMU},accel=on {VFIO},ats=off', HIDDEN),
        cell('accelerated, 10.0', f'{SMMU},accel=on {VFIO}', SHOWN, 'virt-10.0'),
        cell('SMMU without ATS, default', f'{SMMU},accel=on,ats=off {VFIO}', HIDDEN),
        cell('SMMU without ATS, 10.0', f'{SMMU},accel=on,ats=off {VFIO}', HIDDEN, 'virt-10.0'),
        cell('a device without', PLAIN, HIDDEN),
        # what the host has, VFIO's own containers do not tell
        Config('no iommufd, default', LEGACY, wanted=SHOWN),
        Config('no iommufd, off', f'{LEGACY},ats=off', wanted=HIDDEN),
    )
    others = (
        refusal('the SMMU has no ATS',
                "vfio-pci 'dev0': ats=on, but the vIOMMU in front of the device has none: set "
                'ats=on there, or ats to off or auto here',
                f'{FD} {SMMU},accel=on,ats=off {VFIO},ats=on'),
        refusal('the device has no ATS', f"vfio-pci 'dev1': {NO_HOST}", f'{FD} {PLAIN},ats=on'),
        refusal('the device has no ATS, no iommufd',
                "vfio-pci 'dev1': ats=on, but the device has no ATS capability that the guest "
                'could see: set ats to off or auto',
                '-device vfio-pci,id=dev1,host=0000:00:04.0,addr=5,ats=on'),
    )

    def l0_machine(self):
        return [*super().l0_machine(), '-global', f'arm-smmuv3.ats={self.host_ats}',
                '-trace', 'pcie_atc_invalidate']

    def l0_devices(self):
        return ['-drive', f'if=none,id=disk,format=raw,file={self.disk}',
                '-device', 'nvme,drive=disk,serial=lab,addr=3,ats=on',
                '-device', 'nvme,serial=plain,addr=4']

    def l2_devices(self):
        return accelerated(self.assign[0])

    def set_up_host(self, host):
        self.starts = Starts(self)
        self.starts.judge(self.cells)
        self.starts.judge(self.others)

    def dropped(self):
        """Invalidations, of L1 and L2, that have found something in the device's cache"""
        trace = Trace(self.out / 'l0.log', ['pcie_atc_invalidate'],
                      known_events(parts.l0_qemu(self.arch)))
        return trace.count('pcie_atc_invalidate', r'\bdropped=[1-9]')

    def atc_invs(self):
        """The commands that L2 has queued for the device's cache"""
        return self.trace.commands('SMMU_CMD_ATC_INV')

    def check(self):
        super().check()
        self.expect_equal((self.l2['ats'], self.l2['chain']), ('0x100', 'ok'),
                          'the ATS capability in L2, and the chain that it is in')
        self.expect_equal(self.l2['ats_enabled'], '1', "ATS is enabled by L2's kernel")
        self.expect(self.atc_invs() >= self.requests,
                    f"L2 has invalidated the device's cache {self.atc_invs()} times only")
        self.expect(self.dropped() >= self.requests,
                    f"the device's cache had what was invalidated {self.dropped()} times only")

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row('command lines', self.starts)
        self.row("L2's view", f'ATS at {self.l2.get("ats", "?")}, enabled: '
                 f'{self.l2.get("ats_enabled", "?")}; chain {self.l2.get("chain", "?")}')
        self.row('invalidations', f'{self.atc_invs()} CMD_ATC_INV of L2, {self.dropped()} have '
                 'emptied the cache')


class AtsControl(Control, Ats):
    """control: the same with invalidations of the device's cache lost

    All other invalidations have their effect: the data of arm64/ats is right because of these.
    """
    scenario = 'arm64/ats-control'
    expected_seconds = 40

    def set_up_host(self, host):
        """No starts: they are those of arm64/ats."""

    def interpose(self):
        # Enough for the guest's driver to come up
        return Rules().add(blunt_atc_inv(first=101))

    def table(self):
        self.row_device()
        self.row('CMD_ATC_INV', f'{self.atc_invs()}, of which {self.calls.hits(1)} had no effect')
        self.row('seen in L2', self.seen())


class AtsNoHost(Ats):
    """ATS of a device that the host cannot use

    The other half of arm64/ats: a device with ATS, on a host whose SMMU has none, so that its
    kernel says IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED. There is no L2.
    """
    scenario = 'arm64/ats-no-host'
    expected_seconds = 35
    guest_test = None
    host_ats = 'off'

    cells = (
        cell('default', VFIO, HIDDEN),
        cell('auto', f'{VFIO},ats=auto', HIDDEN),
        cell('off', f'{VFIO},ats=off', HIDDEN),
        cell('10.0, default', VFIO, SHOWN, 'virt-10.0'),
        cell('10.0, auto', f'{VFIO},ats=auto', HIDDEN, 'virt-10.0'),
        cell('10.0, off', f'{VFIO},ats=off', HIDDEN, 'virt-10.0'),
        cell('9.2, default', VFIO, SHOWN, 'virt-9.2'),
        cell('accelerated, default', f'{SMMU},accel=on {VFIO}', HIDDEN),
        cell('accelerated, off', f'{SMMU},accel=on {VFIO},ats=off', HIDDEN),
        cell('accelerated, 10.0', f'{SMMU},accel=on {VFIO}', HIDDEN, 'virt-10.0'),
    )
    others = (
        refusal('on', f"vfio-pci 'dev0': {NO_HOST}", f'{FD} {VFIO},ats=on'),
        refusal('accelerated, on', f"vfio-pci 'dev0': {NO_HOST}",
                f'{FD} {SMMU},accel=on {VFIO},ats=on'),
        refusal('10.0, on by the user', f"vfio-pci 'dev0': {NO_HOST}",
                f'-M virt-10.0 {FD} {VFIO},ats=on'),
        Start('on by -global, as a machine type has it',
              f'-global vfio-pci.ats=on {FD} {VFIO} -trace vfio_pci_ats', count=1,
              pattern='ats=on: device=1 host=0 vIOMMU=1 shown=1'),
    )

    def check(self):
        self.expect_equal(self.starts.total, len(self.cells) + len(self.others), 'starts')

    def table(self):
        self.row('command lines', self.starts)
