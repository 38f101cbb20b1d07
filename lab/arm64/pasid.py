# SPDX-License-Identifier: GPL-2.0-or-later
"""PASIDs of an assigned device: the capability that QEMU makes, and its place."""

from arm64.ats import FD, Ats
from qemu_lab.interpose import Rules, config_words, pasid
from qemu_lab.starts import Config, Start

SMMU = '-device arm-smmuv3,id=smmuv3.0,primary-bus=pcie.0,accel=on'
VFIO = '-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0'
# What L1's kernel says of a device with 8 bits behind an SMMU with 6
WIDTH = '6'
NONE = {'pasid': 'none'}

TAKEN = "vfio 0000:00:03.0: vfio-pci 'dev0': no place for the PASID capability " \
        r'\(set x-vpasid-cap-offset\): '
WRONG = "vfio 0000:00:03.0: vfio-pci 'dev0': x-vpasid-cap-offset="
RANGE = ' is not aligned to 4 bytes within 0x100 to 0xff8: choose another, or leave it out$'
BROKEN = 'broken chain of extended capabilities, at '


def cell(name, args, *rules, machine='virt', **wanted):
    """A row: what a guest sees. @rules: answers that are not those of L1's kernel"""
    return Config(name, f'{FD} {args}', wanted=wanted, machine=machine,
                  rules=Rules().add(*rules) if rules else None)


def place(pattern, args, *rules, name=None, status=1):
    """A row: a place that is taken or no good, said in one line"""
    return Start(name or args, f'{FD} {args}', status, 1, pattern, alone=status != 0,
                 rules=Rules().add(*rules) if rules else None)


class Pasid(Ats):
    """PASIDs of an assigned device reach the guest

    L0's SMMU has substreams and its NVMe controller a PASID capability, so L1's kernel enables
    PASIDs and says so: that is real, and so is the guest, which finds a capability and enables it.
    Rows with rules have answers of the interposer instead of the kernel's.
    """
    scenario = 'arm64/pasid'
    expected_seconds = 60
    assign = ('0000:00:03.0',)

    cells = (
        cell('default', f'{SMMU} {VFIO}', pasid='0xff8', pasid_width=WIDTH, pasid_exec='0',
             pasid_priv='0', pasid_enabled='0', ats='0x100'),
        cell('10.0', f'{SMMU} {VFIO}', machine='virt-10.0', pasid='0xff8', pasid_width=WIDTH),
        cell('no vIOMMU', VFIO, pasid='none', ats='0x100'),
        cell('SMMU without substreams', f'{SMMU},ssidsize=0 {VFIO}', **NONE),
        cell('SMMU with fewer', f'{SMMU},ssidsize=2 {VFIO}', pasid='0xff8', pasid_width=WIDTH),
        cell('another place', f'{SMMU} {VFIO},x-vpasid-cap-offset=0x400', pasid='0x400',
             pasid_width=WIDTH),
        cell('the first place behind another capability',
             f'{SMMU} {VFIO},x-vpasid-cap-offset=0x108', pasid='0x108'),
        cell('the last place', f'{SMMU} {VFIO},x-vpasid-cap-offset=0xff8', pasid='0xff8'),
        cell('alone in the chain', f'{SMMU} {VFIO},x-vpasid-cap-offset=0x800,ats=off',
             pasid='0x800', ats='none'),
        cell('a place for what is not there', f'{VFIO},x-vpasid-cap-offset=0x400', **NONE),
        cell('20 bits, exec, priv', f'{SMMU} {VFIO}', pasid(20, True, True), pasid='0xff8',
             pasid_width='20', pasid_exec='1', pasid_priv='1'),
        cell('16 bits, exec', f'{SMMU} {VFIO}', pasid(16, True), pasid='0xff8', pasid_width='16',
             pasid_exec='1', pasid_priv='0'),
        cell('1 bit, priv', f'{SMMU} {VFIO}', pasid(1, False, True), pasid='0xff8',
             pasid_width='1', pasid_exec='0', pasid_priv='1'),
        cell('more bits than a PASID has', f'{SMMU} {VFIO}', pasid(200), pasid='0xff8',
             pasid_width='20'),
        cell('no PASIDs', f'{SMMU} {VFIO}', pasid(0, True, True), **NONE),
        cell('a PASID capability shown by the host', f'{SMMU} {VFIO}',
             config_words({0x100: 0x1801000f, 0x180: 0x0001001b}), pasid='0xff8',
             pasid_width=WIDTH, ats='0x100'),
        cell('no extended capabilities', f'{SMMU} {VFIO}', config_words({0x100: 0}),
             pasid='0xff8', ats='none'),
    )
    others = (
        place(f'{WRONG}0x402{RANGE}', f'{SMMU} {VFIO},x-vpasid-cap-offset=0x402'),
        place(f'{WRONG}0x402{RANGE}', f'{VFIO},x-vpasid-cap-offset=0x402'),
        place(f'{WRONG}0xfc{RANGE}', f'{SMMU} {VFIO},x-vpasid-cap-offset=0xfc'),
        place(f'{WRONG}0xffc{RANGE}', f'{SMMU} {VFIO},x-vpasid-cap-offset=0xffc'),
        place(f'{WRONG}0x1000{RANGE}', f'{SMMU} {VFIO},x-vpasid-cap-offset=0x1000'),
        place(f'{TAKEN}offset 0x100 is taken by the extended capability at 0x100',
              f'{SMMU} {VFIO},x-vpasid-cap-offset=0x100'),
        place(f'{TAKEN}offset 0x104 is taken by the extended capability at 0x100',
              f'{SMMU} {VFIO},x-vpasid-cap-offset=0x104'),
        place(f'{TAKEN}offset 0xff8 is taken by registers of the device', f'{SMMU} {VFIO}',
              config_words({0xffc: 1}), name='registers at the end'),
        place('offset=0x400', f'{SMMU} {VFIO},x-vpasid-cap-offset=0x400 -trace vfio_pci_pasid',
              config_words({0xffc: 1}), name='registers at the end, elsewhere', status=0),
        place(f'{TAKEN}offset 0x1f8 is taken by the extended capability at 0x100',
              f'{SMMU} {VFIO},x-vpasid-cap-offset=0x1f8',
              config_words({0x100: 0x2001000b, 0x104: 0x10000000, 0x200: 0x00010003}),
              name='a capability of variable size'),
        place(f'vfio 0000:00:03.0: the host shows a {BROKEN}0x100', f'{SMMU} {VFIO}',
              config_words({0x100: 0x1001000f}), name='a chain that ends where it began'),
        place(f'{BROKEN}0x40', f'{SMMU} {VFIO}', config_words({0x100: 0x0401000f}),
              name='a chain into the standard part'),
        place(f'{BROKEN}0xffc', f'{SMMU} {VFIO}', config_words({0x100: 0xffc1000f}),
              name='a chain to the very end'),
        place(f'{BROKEN}0x200', VFIO,
              config_words({0x100: 0x2001000f, 0x200: 0x3001000b, 0x300: 0x2001000b}),
              name='a chain with a loop, no SMMU'),
    )

    def l0_machine(self):
        return [*super().l0_machine(), '-global', 'arm-smmuv3.ssidsize=6']

    def l0_devices(self):
        return ['-drive', f'if=none,id=disk,format=raw,file={self.disk}',
                '-device', 'nvme,drive=disk,serial=lab,addr=3,ats=on,x-pasid-width=8']

    def check(self):
        super().check()
        self.expect_equal((self.l2['pasid'], self.l2['chain']), ('0xff8', 'ok'),
                          'the PASID capability in L2, and the chain that it is in')
        self.expect_equal(self.l2['pasid_width'], WIDTH, 'the width of PASIDs in L2')
        self.expect_equal(self.l2['pasid_enabled'], '1', "PASIDs are enabled by L2's kernel")

    def table(self):
        super().table()
        self.row('PASID', f'at {self.l2.get("pasid", "?")}, {self.l2.get("pasid_width", "?")} '
                 f'bits, enabled: {self.l2.get("pasid_enabled", "?")}')
