# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio inside a guest with an AMD vIOMMU: domains that come and go, and large ones."""

from qemu_lab.x86 import FAILURES, AmdNvmeTest, maps, others, per, unmaps


class AmdSwitch(AmdNvmeTest):
    """domains switched at run time: vfio in the guest

    The guest switches a device from the NVMe driver's domain, which translates, to one that a
    program of the guest has through vfio, and back. The program's DMA is verified, and must stop
    when it unmaps.
    """
    scenario = 'x86/amd-switch'
    expected_seconds = 45
    # Debian's has /proc/PID/pagemap, by which the program counts runs of contiguous memory
    l2_kernel = 'x86_64-stock'
    guest_test = 'nvme-switch'
    guest_tools = ('dmaverify', 'vfio-nvme')
    disk_bytes = 16 << 20
    cycles = 3
    map_bytes = 4 << 20
    page_bytes = 4096
    trace_events = (*FAILURES, 'amdvi_remap_inval_pages')
    # DMA to the program's buffer once it is unmapped
    l1_allows = (r'DMAR: \[DMA Write.*00:03\.0.* fault addr 0x1[0-9a-f]{8} ',
                 'DMAR: DRHD: handling fault status')

    @property
    def parameters(self):
        return {'cycles': self.cycles, 'bytes': self.map_bytes, 'page_bytes': self.page_bytes}

    def beside_guest(self, guest):
        #: for each cycle: host calls to map and to unmap, and what the guest has invalidated to map
        self.to_map, self.to_unmap, self.ranges = [], [], []
        for cycle in range(1, self.cycles + 1):
            calls, ranges = {}, {}
            for mark in (3, 4, 5, 6):
                guest.wait_for('mark', str(mark), times=cycle)
                calls[mark], ranges[mark] = guest.host_calls(), self.invalidated(guest)
                guest.go_on()
            self.to_map.append(calls[4] - calls[3])
            self.to_unmap.append(calls[6] - calls[5])
            self.ranges.append(ranges[4] - ranges[3])

    def invalidated(self, guest):
        """How many ranges the guest has invalidated so far"""
        return int(self.host.run(f'grep -c amdvi_remap_inval_pages /tmp/logs/{guest.name}.trace.log'
                                 ' || true'))

    def check_vfio(self):
        """The driver and the program had the device in turn, and all DMA was right."""
        cycles = str(self.cycles)
        self.expect_equal(self.l2['sha256'], self.sha256, 'SHA-256 of the namespace')
        self.expect_equal(self.l2['cycles'], cycles, 'times that it went to vfio-pci and back')
        self.expect_equal(self.l2['good_reads'], cycles, 'times that the driver has read the same')
        self.expect(self.l2.number('probes') > 0, 'no page was tried')
        self.expect_equal(self.l2.all('stopped'), ['8'] * self.cycles, 'DMA that did not arrive')
        self.expect_equal(self.l2['timeouts'], '0', "commands that have waited for an interrupt")
        self.expect_equal(self.l2['verified'], 'yes', 'all was right in L2')

    def check_cost(self):
        """
        The host is called at most once for each range that the guest invalidates, which Linux does
        for each run of contiguous memory, cut at naturally aligned powers of two.
        """
        for cycle, runs in enumerate(self.runs):
            to_map, to_unmap = self.to_map[cycle], self.to_unmap[cycle]
            self.expect(1 <= maps(to_map) <= self.ranges[cycle], f'{maps(to_map)} maps for {runs} '
                        f'runs in {self.ranges[cycle]} ranges')
            self.expect(1 <= unmaps(to_unmap) <= runs,
                        f'{unmaps(to_unmap)} unmaps for {runs} runs')
            self.expect_equal((unmaps(to_map), maps(to_unmap)), (0, 0), 'other host calls')
            self.expect_equal((others(to_map), others(to_unmap)), ({}, {}), 'other host calls')

    @property
    def runs(self):
        """For each cycle, the runs of contiguous memory that the guest has mapped"""
        found = [int(runs) for runs in self.l2.all('runs')]
        assert len(found) == self.cycles, f'runs are {found}'
        return found

    def check(self):
        self.check_set_up()
        self.check_vfio()
        self.check_cost()
        self.check_no_errors()

    def table(self):
        self.row_device()
        self.row('switched', f'to vfio-pci and back {self.l2.get("cycles", 0)} times, read right '
                 f'{self.l2.get("good_reads", 0)} times')
        self.row('mapped by vfio', f'{self.map_bytes} bytes in {self.runs} runs, '
                 f'{self.l2.get("probes", 0)} pages tried each time')
        self.row('to map that', f'{[maps(calls) for calls in self.to_map]} host calls; the guest '
                 f'has invalidated {self.ranges} ranges; {self.l2.get("map_us", "?")} us')
        self.row('to unmap it', f'{per(self.to_unmap[-1], 1)}, {self.l2.get("unmap_us", "?")} us')


class AmdHugepages(AmdSwitch):
    """1 GiB of huge pages mapped in the guest

    A program of the guest maps them for a device that it has through vfio; the host is called at
    most once for each run of contiguous memory and each range that the guest invalidates, and not
    for each page.
    """
    scenario = 'x86/amd-hugepages'
    expected_seconds = 40
    cycles = 1
    map_bytes = 1 << 30
    page_bytes = 2 << 20
    l0_memory = '4G'
    l2_memory = '2G'

    def l2_append(self):
        return [*super().l2_append(), 'hugepagesz=2M',
                f'hugepages={self.map_bytes // self.page_bytes}']

    def check_cost(self):
        super().check_cost()
        pages = self.map_bytes // self.page_bytes
        self.expect(maps(self.to_map[0]) < pages // 8,
                    f'{maps(self.to_map[0])} maps for {pages} pages')
        self.expect(self.runs[0] < pages // 8,
                    f'{self.runs[0]} runs: that many maps are one for each page, or nearly')
