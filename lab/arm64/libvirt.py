# SPDX-License-Identifier: GPL-2.0-or-later
"""The domains of docs/system/arm/libvirt on a Grace host."""

from qemu_lab import parts
from qemu_lab.arm64 import Arm64Test
from qemu_lab.grace import GUEST, Grace
from qemu_lab.interpose import fake_idr, no_cmdqv
from qemu_lab.libvirt import Domain, LibvirtTest, Refused

HOST = 'in the host SMMU of 0000:00:03.0, which cannot back it'
DISKS = range(1, 5)
FIRMWARE = parts.BUILD / 'base-packages' / 'usr' / 'share'


def by_host(name, message, rule, *change, domain='smmuv3'):
    """A row: the SMMU of the host, which is another one, cannot back the domain's."""
    return Refused(name, domain, f"arm-smmuv3 'iommu0': {message}", change, (rule,))


class Libvirt(LibvirtTest, Grace, Arm64Test):
    """libvirt on a Grace host

    The domains of docs/system/arm/libvirt are defined, started, reset, unplugged and so on with
    virsh, and their I/O is verified. Domains that can't be are refused with one line.
    """
    scenario = 'arm64/libvirt'
    expected_seconds = 120
    needs = ('packages', 'libvirt-arm64')
    suffix = '-arm64'
    deb_arch = 'arm64'
    directory = 'arm/libvirt'
    machine = 'virt'
    iommu = 'smmu3'
    flags = ('iommufd', 'vfio-pci', 'acpi-generic-initiator', 'arm-smmuv3',
             'arm-smmuv3.smmu_per_bus', 'arm-smmuv3.accel', 'arm-smmuv3.cmdqv')

    refused = (
        # by libvirt
        Refused('attributes without accel', 'smmuv3',
                "accel must be enabled for iommu model 'smmuv3' when setting ats, ril, ssidsize, "
                'oas, or cmdqv', (("accel='on' ", ''),)),
        Refused("another IOMMU's attribute", 'smmuv3',
                "iommu model 'smmuv3' doesn't support some additional attributes",
                (("accel='on'", r"\g<0> intremap='on'"),)),
        Refused('a word that is no value', 'smmuv3',
                "Invalid value for attribute 'ats' in element 'driver': 'auto'",
                (("ats='on'", "ats='auto'"),)),
        Refused('ACPI without UEFI', 'smmuv3', 'ACPI requires UEFI on this architecture',
                ((" firmware='efi'", ''), ('<firmware>.*?</firmware>', ''))),
        # by QEMU
        Refused("a root port's bus", 'smmuv3',
                "arm-smmuv3 'iommu0': primary-bus 'pci.2' is not the root bus of a PCIe root "
                'complex: use pcie.0 or the bus of a pxb-pcie', (("pciBus='1'", "pciBus='2'"),)),
        Refused('two SMMUs for one bus', 'smmuv3-several',
                "arm-smmuv3 'iommu1': primary-bus 'pci.1' already has an IOMMU: give each IOMMU "
                'a root bus of its own', (("pciBus='2'", "pciBus='1'"),)),
        Refused('accel without a bus', 'smmuv3', 'requires iommu MAP notifier',
                (("pciBus='1' accel='on' [^>]*/>", "accel='on'/>"),)),
        Refused('no iommufd', 'smmuv3',
                "cannot be behind the accelerated arm-smmuv3 'iommu0', which takes vfio-pci with "
                'iommufd=', ((r'<iommufd [^\n]*', ''),)),
        Refused('an oas that there is not', 'smmuv3', "Parameter 'oas' does not accept value '47'",
                (("oas='44'", "oas='47'"),)),
        Refused('an ssidsize that there is not', 'smmuv3',
                "Parameter 'ssidsize' does not accept value '21'",
                (("ssidsize='20'", "ssidsize='21'"),)),
        by_host('ats beyond the host', f'IDR0.ATS is 1, but 0 {HOST}: set ats to off or auto',
                fake_idr(0, 0x400, 0)),
        by_host('ril beyond the host', f'IDR3.RIL is 1, but 0 {HOST}: set ril to off or auto',
                fake_idr(3, 0x400, 0), ("ril='off'", "ril='on'")),
        by_host('ssidsize beyond the host',
                f'IDR1.SSIDSIZE is 20, but 16 {HOST}: lower ssidsize or set it to auto',
                fake_idr(1, 0x7c0, 0x400)),
        Refused('oas beyond the host', 'smmuv3',
                f"arm-smmuv3 'iommu0': IDR5.OAS is 5, but 4 {HOST}: lower oas or set it to auto",
                (("oas='44'", "oas='48'"),)),
        Refused('oas that another host has', 'smmuv3', None, (("oas='44'", "oas='48'"),),
                (fake_idr(5, 7, 5),)),
        by_host('cmdqv beyond the host',
                'cmdqv is on, but the host SMMU of 0000:00:06.0 has no Tegra241 CMDQ-V: set cmdqv '
                'to off or auto', no_cmdqv(), domain='smmuv3-cmdqv'),
    )

    def prepare(self):
        common = {'seed': self.seed, 'ops': self.requests}
        self.smmuv3 = Domain('smmuv3', ['0000:00:03.0'], test='nvme-libvirt', cycles=1,
                             bytes=self.disk_bytes, **common)
        self.several = Domain('smmuv3-several', ['0000:00:04.0', '0000:00:05.0'],
                              test='nvme-several', devices=2, **common)
        self.cmdqv = Domain('smmuv3-cmdqv', ['0000:00:06.0'], test='cmdqv-verify', **common)
        self.domains = self.smmuv3, self.several, self.cmdqv
        self.disks = [self.out / f'disk{n}.img' for n in DISKS]
        for disk in self.disks:
            self.fill_disk(disk, self.disk_bytes, self.seed)

    def l0_machine(self):
        # What the examples ask for: ATS, and 20 bits of SubstreamID
        return [*super().l0_machine(), '-global', 'arm-smmuv3.ats=on',
                '-global', 'arm-smmuv3.ssidsize=20']

    def l0_devices(self):
        return [word for n, disk in zip(DISKS, self.disks) for word in
                ('-drive', f'if=none,id=disk{n},format=raw,file={disk}',
                 '-device', f'nvme,drive=disk{n},serial=lab{n},addr={n + 2},ats=on')]

    def put_firmware(self, root):
        for name in ('AAVMF/AAVMF_CODE.no-secboot.fd', 'AAVMF/AAVMF_VARS.fd',
                     'qemu/firmware/60-edk2-aarch64.json'):
            root.put(FIRMWARE / name, f'/usr/share/{name}')

    def begin(self, domain):
        super().begin(domain)
        if domain is self.cmdqv:
            self.queues_begin = (self.out / 'l0.log').stat().st_size

    def end(self, domain):
        super().end(domain)
        if domain is self.cmdqv:
            self.queues_end = (self.out / 'l0.log').stat().st_size

    def invalidations(self):
        """What the guest of smmuv3-cmdqv had its own queues of the hardware do"""
        return self.vcmdqs.commands(GUEST, self.queues_begin, self.queues_end)

    def check(self):
        self.check_libvirt()
        self.check_host()
        self.check_domain(self.smmuv3)
        self.expect_equal(self.smmuv3.results['good_reads'], '2',
                          'smmuv3: times that the device was read right, before and after it was '
                          'plugged')
        several = self.several.results
        for key, wanted, what in (
                ('verified', '2', 'devices verified'),
                ('smmus', '2', 'SMMUs that they are behind'),
                ('group_types', 'DMA', 'the types of their groups'),
                ('initiators', '1-2', 'nodes with an initiator')):
            self.expect_equal(several[key], wanted, f'smmuv3-several: {what}')
        self.check_domain(self.cmdqv)
        self.expect_equal(self.cmdqv.results['cmdqv'], '1', "smmuv3-cmdqv: CMDQ-Vs of its driver")
        self.expect(self.invalidations() >= self.requests,
                    f"smmuv3-cmdqv: {self.invalidations()} commands in the guest's queues")
        self.check_released()
        self.check_disks(self.disks)

    def table(self):
        super().table()
        self.row_domain(self.smmuv3)
        get = self.several.results.get
        self.row('smmuv3-several', f'{get("verified", "?")} devices verified, behind '
                 f'{get("smmus", "?")} SMMUs')
        self.row_domain(self.cmdqv)
        self.row('queues', f"{self.invalidations()} commands in those of smmuv3-cmdqv's guest")
