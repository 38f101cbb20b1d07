# SPDX-License-Identifier: GPL-2.0-or-later
"""Regions of assigned devices: how they are mapped, and DMA from one device to another's BAR."""

from qemu_lab.arm64 import Arm64Test, accelerated
from qemu_lab.interpose import Rules, broken_cap, sparse_caps
from qemu_lab.starts import Start, Starts

FD = '-object iommufd,id=fd0'
VFIO = '-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0'
BOTH = f'{VFIO} -device vfio-pci,id=dev1,host=0000:00:04.0,addr=6,iommufd=fd0'
NOTICE = 'warning: vfio: the kernel does not map BARs of assigned devices for DMA by others'
WHOLE = 'region 0 at 0x[0-9a-f]*00000, size 0x100000 aligned to 0x100000'


def areas(*pairs, count=None):
    """L1's kernel shows these sparse areas of region 0: (offset, size)."""
    return Rules().add(sparse_caps(pairs, count=count))


def broken(name, area, why, *pairs):
    """A row: areas that no kernel should show"""
    pattern = rf"vfio 0000:00:03\.0: the kernel's sparse area {area} of region 0 " \
              rf'\(size 0x100000\) {why}'
    return Start(name, f'{FD} {VFIO}', 1, 1, pattern.replace('+', '[+]'), alone=True,
                 rules=areas(*pairs))


def traced(name, event, count, pattern, *pairs, more=''):
    """A row: areas that are good, or no answer but the kernel's"""
    return Start(name, f'{FD} {VFIO}{more} -trace {event}', 0, count, pattern,
                 rules=areas(*pairs) if pairs else None)


class Regions(Arm64Test):
    """regions: areas, alignment, and DMA between devices

    First, what QEMU makes of the kernel's answers about regions: some are the kernel's own, some of
    the interposer, as the lab's devices have no sparse areas, good or bad. Then a guest with two
    devices, one of which does DMA to the other's BAR, also after the guest has reset that.
    """
    scenario = 'arm64/regions'
    expected_seconds = 50
    guest_test = 'edu-p2p'
    guest_tools = ('edu-peer',)
    # as many as L1 has: QEMU would warn, and its warnings are counted
    l2_cpus = 2
    assign = ('0000:00:03.0', '0000:00:04.0')
    trace_events = ('smmuv3_accel_*', 'iommufd_file_map', 'vfio_region_create_dmabuf',
                    'vfio_region_no_dmabuf', 'vfio_pci_flr')
    parameters = {'unplug': 1}

    answers = (
        traced('the whole BAR, aligned to its size', 'vfio_region_reserve_va', 1, WHOLE),
        traced('areas are sorted', 'vfio_region_sparse_mmap_entry', 1,
               'sparse entry 0 .0x1000 - 0x3fff', (0x80000, 0x40000), (0x1000, 0x3000)),
        traced('areas are mapped at their offsets', 'vfio_region_mmap', 2,
               'mmaps.[01]. .0x1000 - 0x3fff|mmaps.[01]. .0x80000 - 0xbffff',
               (0x80000, 0x40000), (0x1000, 0x3000)),
        traced('an odd area in a region aligned to its size', 'vfio_region_reserve_va', 1, WHOLE,
               (0, 0xc1000)),
        traced('empty areas do not count', 'vfio_region_mmap', 1, 'mmaps', (0x5000, 0),
               (0, 0x1000)),
        traced('no area at all', 'vfio_region_mmap', 0, 'mmaps', (0x5000, 0)),
        broken('overlap', '0x2000+0x1000', 'overlaps another: set x-no-mmap=on', (0, 0x3000),
               (0x2000, 0x1000)),
        broken('overlap, not in order', '0x2000+0x1000', 'overlaps another', (0x2000, 0x1000),
               (0, 0x3000)),
        broken('the same twice', '0x0+0x1000', 'overlaps another', (0, 0x1000), (0, 0x1000)),
        broken('beyond the end', '0xff000+0x2000', 'exceeds the region', (0xff000, 0x2000)),
        broken('beyond the last address', '0x1000+0xfffffffffffff000', 'exceeds the region',
               (0x1000, 0xfffffffffffff000)),
        broken('not aligned', '0x800+0x1000', 'is no whole pages', (0x800, 0x1000)),
        broken('no whole pages', '0x0+0x1800', 'is no whole pages', (0, 0x1800)),
        Start('more areas than there are', f'{FD} {VFIO}', 1, 1,
              'names 2147483647 sparse areas of region 0 but gives fewer', alone=True,
              rules=areas((0, 0x1000), count=0x7fffffff)),
        Start('a capability that points to itself', f'{FD} {VFIO}', 1, 1,
              'capabilities of region 0 are broken, at 0x20', alone=True,
              rules=Rules().add(broken_cap(0x20))),
        Start('a capability beyond the end', f'{FD} {VFIO}', 1, 1,
              'capabilities of region 0 are broken, at 0x10000', alone=True,
              rules=Rules().add(broken_cap(0x10000))),
        traced('the remedy: no mapping', 'vfio_region_mmap', 0, 'mmaps', (0, 0x3000),
               (0x2000, 0x1000), more=',x-no-mmap=on'),
        Start('a dma-buf for each mapped area', f'{FD} {BOTH} -trace vfio_region_create_dmabuf',
              0, 2, '00:03.0 region 0 area 0x0[+]0x100000 fd [0-9]|'
              '00:04.0 region 0 area 0x0[+]0x4000 fd [0-9]'),
        Start('no dma-bufs: one notice', f'{FD} {BOTH}', 0, 1, NOTICE,
              rules=Rules().fail('VFIO_DEVICE_FEATURE/DMA_BUF', 'ENOTTY')),
    )

    def l0_devices(self):
        return ['-device', 'edu,addr=3,dma_mask=0xffffffffffff',
                '-device', 'nvme,addr=4,serial=lab']

    def l2_devices(self):
        args = accelerated(*self.assign)
        return [*args[:-1], f'{args[-1]},id=nvme']

    def l2_append(self):
        # Stage 1 is bypassed, so that the test, a program in user space, knows the address of a BAR
        # as devices see it
        return [*super().l2_append(), 'iommu.passthrough=1']

    def set_up_host(self, host):
        self.starts = Starts(self)
        self.starts.judge(self.answers)

    def dmabufs(self):
        """The dma-bufs that L1's QEMU has open"""
        return int(self.host.run('ls -l /proc/$(cat /tmp/l2.pid)/fd 2> /dev/null | '
                                 'grep -c dmabuf || true'))

    def beside_guest(self, guest):
        guest.wait_for('waiting')
        self.before = self.dmabufs()
        guest.qmp.cmd('device_del', id='nvme')
        guest.qmp.event('DEVICE_DELETED', 60)
        self.after = self.dmabufs()
        guest.go_on()

    def warnings(self):
        """What QEMU had to warn of"""
        return [line for line in self.qemu_log().splitlines() if 'warning' in line]

    def check(self):
        self.assertIn('smmu3', self.l2['iommu'], 'the devices are behind an SMMUv3 in L2')
        self.expect(self.trace.count('iommufd_file_map', r'\(0\)$') >= 2, 'no dma-bufs were mapped')
        self.expect_equal(self.l2['p2p'], 'yes', "DMA of one device has reached the other's BAR")
        self.expect_equal(self.trace.count('vfio_pci_flr'), 2, 'resets by the guest')
        self.expect_equal(self.l2['p2p_after_reset'], 'yes', 'DMA reaches it after a reset')
        self.expect_equal(self.l2['p2p_after_word'], 'yes',
                          'DMA reaches it after a reset by a write of two bytes')
        self.expect_equal((self.before, self.after), (2, 1),
                          'dma-bufs of QEMU before and after one device is unplugged')
        self.expect_equal(self.warnings(), [], 'warnings of QEMU')

    def table(self):
        self.row('answers', self.starts)
        self.row('devices', f'edu and NVMe, behind {self.l2.get("iommu", "no IOMMU")}')
        self.row('DMA to a BAR', f'{self.l2.get("p2p", "?")}: {self.l2.get("found", "?")}, '
                 f'at {self.l2.get("bar", "?")}')
        self.row('after resets', f'{self.l2.get("p2p_after_reset", "?")}: '
                 f'{self.l2.get("found_after_reset", "?")}, {self.l2.get("p2p_after_word", "?")}: '
                 f'{self.l2.get("found_after_word", "?")}')
        self.row('dma-bufs', f'{self.trace.count("iommufd_file_map")} mapped, '
                 f'{self.before} open, {self.after} after one device has gone')


class RegionsNoDmabuf(Regions):
    """a host that maps no dma-bufs: one notice, no DMA between devices

    The guest of arm64/regions on a kernel that has dma-bufs, but maps none for DMA (the interposer
    says so). It is also the control for arm64/regions.
    """
    scenario = 'arm64/regions-no-dmabuf'
    expected_seconds = 35
    parameters = {}
    # F_TRANSLATION for the registers that edu reads and writes
    l1_allows = (r'arm-smmu-v3 .* event 0x10 received:',
                 r'event: F_TRANSLATION client: 0000:00:03\.0 .* iova: 0x[0-9a-f]+0(08|24) ')

    def set_up_host(self, host):
        """No starts: they are those of arm64/regions."""

    def interpose(self):
        return Rules().fail('IOMMU_IOAS_MAP_FILE', 'EOPNOTSUPP')

    def beside_guest(self, guest):
        """The devices stay."""

    def check(self):
        self.expect(self.calls.hits(1) > 0, 'QEMU has not tried to map a dma-buf')
        self.expect_equal(self.l2['p2p'], 'no', "DMA of one device has reached the other's BAR")
        for register in 0x08, 0x24:
            address = f'iova: {self.l2.number("bar") + register:#x}'
            self.expect(address in self.log('dmesg.log'), f"no fault of L1's SMMU at {address}")
        self.expect_equal([NOTICE in line for line in self.warnings()], [True],
                          'what QEMU warns of is this, once')

    def table(self):
        self.row('DMA to a BAR', f'{self.l2.get("p2p", "?")}: {self.l2.get("found", "?")}')
        self.row('warnings', '; '.join(self.warnings()))
