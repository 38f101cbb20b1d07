# SPDX-License-Identifier: GPL-2.0-or-later
"""Several SMMUs, in the guest and in the host."""

from arm64.devicetree import BATCH_MAX
from qemu_lab.arm64 import IOMMUFD, L0_CPU, Arm64Test, NvmeTest
from qemu_lab.parts import firmware
from qemu_lab.starts import Start, Starts, refusal


class TwoSmmus(NvmeTest):
    """two accelerated SMMUs and a plain one, four devices

    The accelerated ones are without range invalidation; two assigned NVMe devices are behind the
    first, one behind the second. The plain SMMU is before pcie.0, with an emulated NVMe device. All
    of them do DMA at the same time.
    """
    scenario = 'arm64/two-smmus'
    expected_seconds = 60
    guest_test = 'nvme-several'
    l1_tools = ('dmaverify',)
    disk_bytes = 8 << 20
    requests = 300
    disks = (1, 2, 3)
    assign = tuple(f'0000:00:0{number + 2}.0' for number in disks)
    parameters = {'seed': NvmeTest.seed, 'ops': requests}

    def disk_of(self, number):
        """The file behind an assigned device"""
        return self.out / f'disk{number}.img'

    def prepare(self):
        for number in self.disks:
            self.fill_disk(self.disk_of(number), self.disk_bytes, self.seed)

    def l0_devices(self):
        args = []
        for number in self.disks:
            args += ['-drive', f'if=none,id=disk{number},format=raw,file={self.disk_of(number)}',
                     '-device', f'nvme,drive=disk{number},serial=lab{number},addr={number + 2}']
        return args

    def set_up_host(self, host):
        # The emulated device's file is made in L1, and lost with it
        host.run(f'dmaverify fill /tmp/emulated.img {self.disk_bytes} {self.seed}')

    def l2_devices(self):
        args = [*IOMMUFD,
                '-device', 'pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0',
                '-device', 'pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0',
                '-device', 'arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,ril=off',
                '-device', 'arm-smmuv3,primary-bus=pcie.2,id=smmuv3.2,accel=on,ril=off',
                '-device', 'arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0']
        for number, bus in zip(self.disks, (1, 1, 2)):
            args += ['-device', f'pcie-root-port,id=p{number},bus=pcie.{bus},chassis={number},'
                     'io-reserve=0']
        for number, host in zip(self.disks, self.assign):
            args += ['-device', f'vfio-pci,host={host},bus=p{number},iommufd=iommufd0']
        return [*args, '-drive', 'if=none,id=emulated,format=raw,file=/tmp/emulated.img',
                '-device', 'nvme,drive=emulated,serial=lab4,bus=pcie.0']

    def check_set_up(self):
        self.expect_equal(self.l2['smmus'], '3', 'SMMUs that the devices are behind')
        self.expect_equal(self.l2['group_types'], 'DMA', 'the types of their groups')
        self.expect_equal(self.calls['IOMMU_VIOMMU_ALLOC'], 2, 'vIOMMUs that were made')

    def check_data(self):
        self.expect_equal(self.l2['verified'], str(len(self.disks) + 1), 'devices verified in L2')
        for number in self.disks:
            problem = self.disk_problem(self.disk_of(number), self.seed, self.requests)
            self.expect(not problem, f'the file behind device {number}: {problem}')

    def check(self):
        super().check()
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        items = self.calls.items('IOMMU_HWPT_INVALIDATE')
        # commands of the plain SMMU are among those traced
        syncs = self.trace.commands('SMMU_CMD_SYNC', 'SMMU_CMD_CFGI_STE*')
        self.expect(0 < calls <= syncs + items // BATCH_MAX,
                    f'{calls} host calls for {syncs} CMD_SYNCs and CMD_CFGI_STEs')
        self.expect(items > 2 * calls, f'{items} commands in {calls} host calls')

    def table(self):
        self.row('devices', f'{len(self.disks) + 1} NVMe behind {self.l2.get("smmus", "?")} SMMUs, '
                 f'{self.l2.get("verified", "?")} verified')
        self.row_commands()


class TwoHosts(Arm64Test):
    """devices of two host SMMUs need two SMMUs in the guest

    A host with two SMMUs, each before a host bridge of its own (which takes firmware and ACPI in
    L0). What is behind one SMMU of the guest must be behind one of the host. There is no L2.
    """
    scenario = 'arm64/two-hosts'
    expected_seconds = 30
    assign = ('0000:21:00.0', '0000:41:00.0')

    FD = '-object iommufd,id=fd0'
    ONE = '-device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 ' \
          '-device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on'
    OTHER = '-device pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0 ' \
            '-device arm-smmuv3,id=smmuv3.2,primary-bus=pcie.2,accel=on'
    PORT1 = '-device pcie-root-port,id=p1,bus=pcie.1,chassis=1'
    PORT2 = '-device pcie-root-port,id=p2,chassis=2,slot=1'
    FIRST = '-device vfio-pci,id=dev1,host=0000:21:00.0,bus=p1,iommufd=fd0'
    SECOND = '-device vfio-pci,id=dev2,host=0000:41:00.0,bus=p2,iommufd=fd0'
    EVENT = '-trace smmuv3_accel_alloc_viommu'
    ROWS = (
        Start('an SMMU for each',
              f'{FD} {ONE} {OTHER} {PORT1} {PORT2},bus=pcie.2 {FIRST} {SECOND} {EVENT}',
              count=2, pattern='viommu=[0-9]+ s2_hwpt=[0-9]+'),
        refusal('one SMMU for both',
                "'smmuv3.1': 0000:41:00.0 is behind another host SMMU than the devices already "
                'there: give it an arm-smmuv3 of its own',
                f'{FD} {ONE} {PORT1} {PORT2},bus=pcie.1 {FIRST} {SECOND}'),
    )

    def l0_machine(self):
        return ['-M', 'virt,virtualization=on,gic-version=3', *L0_CPU,
                '-bios', firmware(self.firmware[0])]

    def l0_devices(self):
        args = []
        for number in (1, 2):
            args += ['-device', f'pxb-pcie,id=host{number},bus_nr={number * 32},bus=pcie.0',
                     '-device', f'arm-smmuv3,id=hostsmmu{number},primary-bus=host{number},'
                     'stage=nested',
                     '-device', f'pcie-root-port,id=hp{number},bus=host{number},'
                     f'chassis={number},slot=0',
                     '-device', f'edu,bus=hp{number}']
        return args

    def set_up_host(self, host):
        self.starts = Starts(self)
        self.starts.judge(self.ROWS)

    def check(self):
        self.expect_equal(self.starts.total, len(self.ROWS), 'starts')

    def table(self):
        self.row('command lines', self.starts)
