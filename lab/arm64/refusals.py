# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU refuses once a real assigned device is at hand."""

import re
from dataclasses import dataclass

from qemu_lab.arm64 import Arm64Test
from qemu_lab.interpose import Field, Rules, fake_iommu, fake_idr
from qemu_lab.starts import Start, Starts, refusal

FD = '-object iommufd,id=fd0'
PXB = '-device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0'
SMMU = '-device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1'
PORT = '-device pcie-root-port,id=p1,bus=pcie.1,chassis=1'
PORT2 = '-device pcie-root-port,id=p2,bus=pcie.1,chassis=2'
VFIO = '-device vfio-pci,id=dev0,host=0000:00:03.0,bus=p1'
BOTH = f'{FD} {PXB} {SMMU},accel=on'
DEVICE = f'{PORT} {VFIO},iommufd=fd0'
SECOND = f'{PORT2} -device vfio-pci,id=dev1,host=0000:00:04.0,bus=p2,iommufd=fd0'
PLUG_SECOND = 'device_add vfio-pci,id=dev1,host=0000:00:04.0,bus=p2,iommufd=fd0'
ALREADY = "'smmuv3.1': vfio-pci 'dev0' is on primary-bus already"
RESOLVED = f'-trace smmuv3_accel_resolve {BOTH}'
#: registers of the vSMMU, IDR0 to IDR5: an access for each
REGISTERS = tuple(f'xp /1wx {0xc000000 + 4 * number:#x}' for number in range(6))

#: struct iommu_hw_info.data_len, for the call that asks for registers of an SMMUv3; the second
#: such call is for the second device
ASKED = Field(12, 4, 40)

ATS, ASID16, CD2L = 1 << 10, 1 << 12, 1 << 19
TTENDIAN, STALL_MODEL, TERM_MODEL, STLEVEL = 3 << 21, 3 << 24, 1 << 26, 3 << 27
TTF, SIDSIZE, SSIDSIZE = 3 << 2, 0x3f, 0x1f << 6
RIL, BBML = 1 << 10, 3 << 11
OAS, GRAN4K, GRAN16K, GRAN64K, VAX = 7, 1 << 4, 1 << 5, 1 << 6, 3 << 10

#: a host with more than L0 has
MORE = (fake_idr(0, ATS, ATS), fake_idr(1, SSIDSIZE, 16 << 6), fake_idr(5, OAS, 5))


def cannot(field, guest, host, device='0000:00:03.0', remedy='remove accel=on'):
    """The message for a field of the ID registers"""
    return f"'smmuv3.1': {field} is {guest}, but {host} in the host SMMU of {device}, which " \
           f'cannot back it: {remedy}'


def field(name, guest, host, *rules, more='', remedy='remove accel=on'):
    """A row: the host has less in a field than the guest is promised."""
    return refusal(name, cannot(name, guest, host, remedy=remedy), f'{BOTH}{more} {DEVICE}',
                   rules=Rules().add(*rules) if rules else None)


def of_second(*rules):
    """The same rules for the second device only"""
    return [rule.but(first=2, where=ASKED) for rule in rules]


def second(name, guest, host, rule, *before, more=''):
    """A row: the first device decides what the guest has, and the second cannot back it."""
    return refusal(f'{name} of a second device', cannot(name, guest, host, '0000:00:04.0'),
                   f'{BOTH}{more} {DEVICE} {SECOND}',
                   rules=Rules().add(*before, *of_second(rule)))


def auto(name, values, args=BOTH, *rules, more=''):
    """A row: what auto becomes"""
    return Start(f'auto on {name}', f'-trace smmuv3_accel_resolve {args}{more} {DEVICE}', 0, 1,
                 f'smmuv3_accel_resolve.*{values}$',
                 rules=Rules().add(*rules) if rules else None)


@dataclass(frozen=True)
class Plugged(Start):
    """
    A device that comes when the machine is ready: @message is what the monitor says of that, or
    the empty string. The ID registers stay as they are.
    """
    message: str = ''

    def __post_init__(self):
        object.__setattr__(self, 'monitor', (*REGISTERS, PLUG_SECOND, 'info qtree', *REGISTERS))

    def wrong(self, outcome):
        complaints = super().wrong(outcome)
        errors = re.findall(r'^Error: (.*?)\r?$', outcome.monitor, re.M)
        if bool(errors) != bool(self.message) or (errors and self.message not in errors[0]):
            complaints.append(f'errors {errors}, not {self.message!r}')
        if ('id "dev1"' in outcome.monitor) == bool(self.message):
            complaints.append('the device is there, or is not, against what was said')
        idr = re.findall(r'^0*c0000[01][048c]: (0x\w+)', outcome.monitor, re.M)
        if len(idr) != 12 or idr[:6] != idr[6:] or not int(idr[0], 16):
            complaints.append(f'the ID registers, before and after: {idr}')
        return complaints

    def shown(self, outcome):
        return [self.message or 'it is there']


def plugged(name, message, *rules):
    """A row: a second device, with rules for that one only, when the machine is ready"""
    return Plugged(name, f'{RESOLVED} {DEVICE} {PORT2}', 0, 1, 'smmuv3_accel_resolve',
                   rules=Rules().add(*of_second(*rules)) if rules else None, message=message)


class Refusals(Arm64Test):
    """what an assigned device and its host SMMU cannot do is refused

    Wrong order, no iommufd, and each thing that the host's SMMU cannot back; and what auto becomes.
    Hosts that L0 cannot be are made up by the interposer. There is no L2.
    """
    scenario = 'arm64/refusals'
    expected_seconds = 70
    assign = ('0000:00:03.0', '0000:00:04.0')

    ORDER = (
        refusal('plain SMMU after the device', ALREADY, f'{FD} {PXB} {DEVICE} {SMMU}'),
        refusal('accelerated SMMU after the device', ALREADY,
                f'{FD} {PXB} {DEVICE} {SMMU},accel=on'),
        refusal('no iommufd', "vfio-pci 'dev0' cannot be behind the accelerated arm-smmuv3 "
                "'smmuv3.1', which takes vfio-pci with iommufd=",
                f'{PXB} {SMMU},accel=on {PORT} {VFIO}'),
        refusal('behind a conventional bridge',
                'is behind a conventional PCI bridge and has no StreamID of its own',
                f'{BOTH} {PORT} -device pcie-pci-bridge,id=b1,bus=p1 '
                '-device vfio-pci,host=0000:00:03.0,bus=b1,addr=1,iommufd=fd0'),
        refusal('another kind of IOMMU', "'smmuv3.1': the host IOMMU of 0000:00:03.0 is not an "
                'SMMUv3 (its type is 1): remove accel=on', f'{BOTH} {DEVICE}',
                rules=Rules().add(fake_iommu(1))),
        refusal('nothing to take auto from', "'smmuv3.1': ats=auto needs a device to take the "
                'value from: put a vfio-pci device behind it, or set ats, ril, ssidsize and oas',
                BOTH),
        Start('nothing to take, and nothing auto', f'{BOTH},ats=off,ril=on,ssidsize=0,oas=44',
              count=0, alone=True),
    )
    #: one for each of smmuv3_accel_caps that can be refused: see FINE for the others
    FIELDS = (
        field('IDR0.STLEVEL', 1, 0, fake_idr(0, STLEVEL, 0)),
        field('IDR0.STALL_MODEL', 1, 2, fake_idr(0, STALL_MODEL, 2 << 24)),
        field('IDR0.TTENDIAN', 2, 3, fake_idr(0, TTENDIAN, TTENDIAN)),
        field('IDR0.ATS', 1, 0, more=',ats=on', remedy='set ats to off or auto'),
        second('IDR0.CD2L', 1, 0, fake_idr(0, CD2L, 0), fake_idr(0, CD2L, CD2L),
               fake_idr(1, SSIDSIZE, 8 << 6)),
        field('IDR0.ASID16', 1, 0, fake_idr(0, ASID16, 0)),
        field('IDR0.TTF', 2, 1, fake_idr(0, TTF, 1 << 2)),
        field('IDR1.SIDSIZE', 16, 8, fake_idr(1, SIDSIZE, 8)),
        field('IDR1.SSIDSIZE', 1, 0, more=',ssidsize=1',
              remedy='lower ssidsize or set it to auto'),
        field('IDR3.RIL', 1, 0, fake_idr(3, RIL, 0), more=',ril=on',
              remedy='set ril to off or auto'),
        second('IDR3.BBML', 2, 1, fake_idr(3, BBML, 1 << 11), fake_idr(3, BBML, 2 << 11)),
        field('IDR5.OAS', 5, 4, more=',oas=48', remedy='lower oas or set it to auto'),
        field('IDR5.GRAN4K', 1, 0, fake_idr(5, GRAN4K, 0)),
        second('IDR5.GRAN16K', 1, 0, fake_idr(5, GRAN16K, 0)),
        second('IDR5.GRAN64K', 1, 0, fake_idr(5, GRAN64K, 0)),
    )
    #: the guest has 1 of TERM_MODEL and 0 of VAX, which any host can back; and values of the host
    #: that differ from the guest's, and are as good
    FINE = (
        Start('other values that are as good', f'-trace smmuv3_accel_cap {BOTH} {DEVICE}', 0, 5,
              'TERM_MODEL guest=1 host=0|VAX guest=0 host=1|STALL_MODEL guest=1 host=0|'
              'TTENDIAN guest=2 host=0|TTF guest=2 host=3',
              rules=Rules().add(fake_idr(0, TERM_MODEL | STALL_MODEL | TTENDIAN | TTF, TTF),
                                fake_idr(5, VAX, 1 << 10))),
        Start('each field is looked at', f'-trace smmuv3_accel_cap {BOTH} {DEVICE}', 0, 17,
              'smmuv3_accel_cap IDR[0135]'),
    )
    AUTO = (
        auto('this host', 'ats=0 ril=1 ssidsize=0 oas=44'),
        auto('a host with more', 'ats=1 ril=1 ssidsize=16 oas=48', BOTH, *MORE),
        auto('a host with too many substreams', 'ssidsize=20 oas=44', BOTH,
             fake_idr(1, SSIDSIZE, SSIDSIZE)),
        auto('a host with less', 'ats=0 ril=0 ssidsize=0 oas=40', BOTH, fake_idr(3, RIL, 0),
             fake_idr(5, OAS, 2)),
        auto('a host with more, where nothing is auto', 'ats=0 ril=0 ssidsize=4 oas=32', BOTH,
             *MORE, more=',ats=off,ril=off,ssidsize=4,oas=32'),
    )
    #: what auto has become stays, whatever the host of a later device has
    LATER = (
        plugged('a second device, hot-plugged', ''),
        plugged('a second device on a host with more', '', *MORE),
        plugged('a second device on a host with less',
                cannot('IDR3.RIL', 1, 0, '0000:00:04.0', 'set ril to off or auto'),
                fake_idr(3, RIL, 0)),
        plugged('a second device on a host with shorter addresses',
                cannot('IDR5.OAS', 4, 2, '0000:00:04.0', 'lower oas or set it to auto'),
                fake_idr(5, OAS, 2)),
    )

    def l0_devices(self):
        return ['-device', 'edu,addr=3', '-device', 'edu,addr=4']

    def set_up_host(self, host):
        self.starts = Starts(self)
        for rows in (self.ORDER, self.FIELDS, self.FINE, self.AUTO, self.LATER):
            self.starts.judge(rows)

    def check(self):
        self.expect_equal(self.starts.total, 33, 'starts')

    def table(self):
        self.row('command lines', self.starts)
