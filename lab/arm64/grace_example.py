# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with a GPU: generic initiators, NUMA nodes, and an SMMU that takes all from its host."""

from qemu_lab import images, parts
from qemu_lab.arm64 import Arm64Test

GPU = '0000:00:03.0'
#: the nodes for memory that the GPU may have
NODES = range(1, 9)


def initiators(device):
    """Each node's generic initiator, as words"""
    return [word for node in NODES for word in
            ('-object', f'acpi-generic-initiator,id=gi{node - 1},pci-dev={device},node={node}')]


class GraceExample(Arm64Test):
    """the example of the seeds, flag by flag

    The example of the seed texts (resolve-auto-properties), as it is written: a GPU's eight generic
    initiators, an accelerated SMMU that takes everything from its host, and NVMe and e1000 beside
    it. Changed are the address of the device on the host, sizes of memory and paths; an NVMe device
    stands in for the GPU, with a controller memory buffer as its large BAR. The lab adds a kernel
    with its initrd, for there is no installed guest, and its own consoles.

    A second guest on the same host has the GPU behind a switch.
    """
    scenario = 'arm64/grace-example'
    expected_seconds = 90
    timeout = 300
    l2_timeout = 180
    guest_test = 'grace-topology'
    assign = (GPU,)
    disk_bytes = 16 << 20
    guest_bytes = 8 << 20
    seed = 20260102
    trace_events = ('smmuv3_accel_*', 'smmuv3_cmdq_consume_error', 'acpi_gpu_node',
                    'acpi_generic_initiator')

    machine = ('-object', 'iommufd,id=iommufd0',
               '-machine', 'virt,accel=kvm,gic-version=3,ras=on,highmem-mmio-size=4T',
               '-cpu', 'host', '-smp', 'cpus=4', '-m', 'size=1G',
               '-object', 'memory-backend-ram,size=1G,id=m0',
               '-numa', 'node,memdev=m0,cpus=0-3,nodeid=0',
               *(word for node in NODES for word in ('-numa', f'node,nodeid={node}')))
    smmu = ('-device', 'pxb-pcie,id=pcie.1,bus_nr=1,bus=pcie.0,numa_node=0',
            '-device', 'arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,ats=auto,ssidsize=auto,'
            'ril=auto,oas=auto',
            '-device', 'pcie-root-port,id=pcie.port1,bus=pcie.1,chassis=1,io-reserve=0')
    gpu = (f'vfio-pci-nohotplug,host={GPU},bus=%s,rombar=0,id=dev0,iommufd=iommufd0,'
           'ats=auto')
    rest = ('-bios', '/lab/AAVMF_CODE.fd',
            '-device', 'nvme,drive=nvme0,serial=deadbeaf1,bus=pcie.0',
            '-drive', 'file=/lab/guest.qcow2,index=0,media=disk,format=qcow2,if=none,id=nvme0',
            '-device', 'e1000,romfile=/lab/efi-e1000.rom,netdev=net0,bus=pcie.0',
            '-netdev', 'user,id=net0,hostfwd=tcp::5558-:22,hostfwd=tcp::5586-:5586')
    switch = ('-device', 'x3130-upstream,id=up,bus=pcie.port1',
              '-device', 'xio3130-downstream,id=down,bus=up,chassis=2')

    def prepare(self):
        self.disk = self.out / 'disk.img'
        self.sha256 = self.fill_disk(self.disk, self.disk_bytes, self.seed)
        raw = self.out / 'guest.img'
        self.guest_sha256 = self.fill_disk(raw, self.guest_bytes, self.seed)
        self.qcow2 = self.out / 'guest.qcow2.img'
        images.call(parts.BUILD / 'obj' / 'native' / 'qemu-img', 'convert', '-O', 'qcow2', raw,
                    self.qcow2)

    def l0_machine(self):
        # L1 needs the memory that four CPUs' worth of L2 takes
        return [*super().l0_machine(), '-m', '3G']

    def l0_devices(self):
        return ['-drive', f'if=none,id=disk,format=raw,file={self.disk}',
                '-device', 'nvme,drive=disk,serial=lab,addr=3,cmb_size_mb=64']

    def fill_root(self, root):
        root.put(self.qcow2, '/lab/guest.qcow2')
        root.put(parts.BUILD / 'base-packages/usr/share/qemu/efi-e1000.rom', '/lab/efi-e1000.rom')

    def l2_machine(self):
        return list(self.machine)

    def l2_devices(self):
        return [*self.smmu, '-device', self.gpu % 'pcie.port1', *initiators('dev0'), *self.rest]

    def switch_devices(self):
        """The same with a switch below the root port"""
        return [*self.smmu, *self.switch, '-device', self.gpu % 'down', *initiators('dev0'),
                *self.rest]

    def l2_append(self):
        return [*super().l2_append(), 'iommu.strict=1', 'nvme.use_cmb_sqes=0',
                'nvme_core.io_timeout=3', 'nvme_core.admin_timeout=3']

    @property
    def parameters(self):
        """For grace-topology"""
        return {'seed': self.seed}

    def test(self):
        self.prepare()
        self.boot()
        guests = []
        for name, devices in (('l2', self.l2_devices()), ('switch', self.switch_devices())):
            guest = self.new_guest(name, self.guest_args(devices=devices)).start()
            guest.wait()
            guests.append(guest)
        self.direct, self.behind_switch = guests
        self.finish()
        self.check()

    def check(self):
        self.guest = self.direct
        self.check_guest('0000:02:00.0', r'\_SB_.PC01.S00_.S00_', '1')
        self.check_trace()
        self.check_data()
        # a switch takes two bus numbers, and two objects in the name space; its port, which has no
        # ACS, is in the device's group
        self.guest = self.behind_switch
        self._trace = self._calls = None
        self.check_guest('0000:04:00.0', r'\_SB_.PC01.S00_.S00_.S00_.S00_', '2')
        self.check_trace()
        self.check_data()

    def check_guest(self, address, path, group_size):
        """What L2 has made of its tables"""
        where = f'{self.guest.name}: '
        bus = address[5:7] + '00'
        for key, wanted, what in (
                ('cpus', '0-3', 'CPUs'),
                ('nodes', '0-8 0', 'nodes, and those with memory'),
                ('generic_initiators', '1-8', 'nodes with a generic initiator'),
                ('srat', ' '.join(f'{node}={bus}' for node in NODES),
                 'generic initiators of SRAT, in the order of the command line'),
                ('firmware_node', path, "the device's ACPI node"),
                ('pxm', '1+8', "NUMA nodes of its own, by the device's ACPI node"),
                ('device', address, "the device's address"),
                ('numa_node', '0', 'the node that the device is near'),
                ('bar_in_window', 'yes', 'its large BAR is above 4 GiB, in the window of 4 TiB'),
                ('group_type', 'DMA', "the type of the device's group"),
                ('group_size', group_size, "devices in the device's group"),
                ('others_behind', '0', 'devices of pcie.0 that are behind an SMMU'),
                ('e1000', 'up', 'the link of e1000')):
            self.expect_equal(self.l2[key], wanted, where + what)
        self.expect('smmu3' in self.l2['iommu'], where + 'the device is behind no SMMUv3')
        if self.guest is self.direct:
            self.expect_equal(self.l2['port_io'], 'none', 'I/O window of the root port')

    def check_trace(self):
        """What QEMU has done for it"""
        where = f'{self.guest.name}: '
        self.expect(self.trace.count('smmuv3_accel_attach_hwpt') >= 1,
                    where + "L1's QEMU attached no nested HWPT")
        for event in ('smmuv3_accel_host_error', 'smmuv3_cmdq_consume_error'):
            self.expect_equal(self.trace.count(event), 0, where + event)

    def check_data(self):
        """Both NVMe devices have been read right."""
        where = f'{self.guest.name}: '
        self.expect_equal(self.l2['assigned_sha256'], self.sha256,
                          where + 'SHA-256 of the assigned namespace')
        self.expect_equal(self.l2['emulated_sha256'], self.guest_sha256,
                          where + 'SHA-256 of the emulated namespace')

    def table(self):
        for guest in self.host.guests:
            get = guest.results.get
            self.row(guest.name, f'device {get("device", "?")}, group of type '
                     f'{get("group_type", "?")}, behind {get("iommu", "no IOMMU")}')
            self.row('nodes', f'{get("nodes", "?")} with memory, generic initiators '
                     f'{get("generic_initiators", "?")}')
            self.row('GPU node', f'{get("firmware_node", "?")}, nodes {get("pxm", "?")}')
            self.row('BARs', get('bars', '?'))
