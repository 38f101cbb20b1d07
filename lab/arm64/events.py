# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest learns of DMA that its SMMU does not let through: faults, losses, a bad STE."""

from arm64.devicetree import on_pcie0
from qemu_lab.arm64 import Arm64Test, accelerated
from qemu_lab.interpose import Rules, lost_event, refuse_ste


class EduTest(Arm64Test):
    """An edu device behind an accelerated SMMUv3; user space in L2 tells it where to do DMA."""

    assign = ('0000:00:03.0',)
    trace_events = ('smmuv3_accel_*', 'iommufd_viommu_*')

    def l0_devices(self):
        return ['-device', 'edu,addr=3']

    def l2_devices(self):
        return accelerated(*self.assign)

    def check_group(self):
        """L2 has the device behind its SMMU."""
        self.expect_equal(self.l2['group_type'], 'DMA', "the type of the device's group in L2")
        self.assertIn('smmu3', self.l2['iommu'], 'the device is behind an SMMUv3 in L2')

    def row_device(self):
        """The row that says what was tested"""
        self.row('device', f'edu at {self.l2.get("device", "?")}, '
                 f'behind {self.l2.get("iommu", "no IOMMU")}')


class Events(EduTest):
    """DMA faults reach the guest's event queue

    The device does DMA to addresses that nothing is mapped at. The host's SMMU finds that, and its
    kernel passes it on through a vEVENTQ.
    """
    scenario = 'arm64/events'
    expected_seconds = 20
    guest_test = 'edu-events'
    guest_tools = ('edu-fault',)
    #: four events each; Linux prints ten in five seconds
    faults = 2
    address = 0x0dead000
    l2_allows = ('F_TRANSLATION', r'event: F_TRANSLATION', r'\bevent 0x10 received')

    @property
    def parameters(self):
        """For edu-events"""
        return {'faults': self.faults, 'address': hex(self.address)}

    def check(self):
        self.check_group()
        self.expect_equal(self.calls['IOMMU_VEVENTQ_ALLOC'], 1, 'vEVENTQs that were made')
        self.expect_equal(self.l2['faults_seen'], str(self.faults),
                          "faults that are in L2's dmesg with their addresses")
        self.expect('sid: 0x900' in self.l2['first_event'],
                    f'the StreamID is not that of 0000:09:00.0: {self.l2["first_event"]}')
        self.expect(self.trace.count('smmuv3_accel_event', 'written=1') >= self.faults,
                    'QEMU passed on less than an event a fault')
        self.expect_equal(self.trace.count('smmuv3_accel_events_lost'), 0, 'losses')
        self.expect_equal(self.trace.count('smmuv3_accel_host_error'), 0, 'host calls that failed')

    def table(self):
        self.row_device()
        self.row('faults', f'{self.faults} made, {self.l2.get("faults_seen", "?")} seen in '
                 "L2's dmesg")
        self.row('events', f'{self.trace.count("smmuv3_accel_event")} passed on, '
                 f'{self.trace.count("smmuv3_accel_events_lost")} losses')
        self.row('the first', self.l2.get('first_event', '?'))


class EventsLost(Events):
    """events that the host has lost are an overflow in the guest

    An event that the host's kernel has lost, by its own words or by a gap in its numbers, is an
    overflow of the guest's event queue (EVENTQ_PROD.OVFLG); those that come after it are not lost
    as well. A file that has no more events, or no whole ones, costs no more than the events. One
    guest for each; the interposer does what the kernel seldom does.
    """
    scenario = 'arm64/events-lost'
    expected_seconds = 60
    l2_firmware = False
    l2_cpus = 1
    l2_timeout = 60

    #: name, rules, losses that QEMU knows of, host errors, whether all events come all the same
    RUNS = (
        ('lost', Rules().add(lost_event(1)), 1, 0, False),
        ('gap', Rules().alter('read:veventq', gap=3, times=1), 1, 0, True),
        ('nothing', Rules().alter('read:veventq', eof=True, times=1), 0, 0, True),
        ('short', Rules().alter('read:veventq', short=20, times=1), 0, 1, None),
        ('error', Rules().fail('read:veventq', 'EIO', times=1), 0, 1, None),
    )

    def l2_devices(self):
        return on_pcie0(*self.assign)

    def test(self):
        self.boot()
        for name, rules, *_ in self.RUNS:
            self.new_guest(name, rules=rules).start().wait()
        self.finish()
        self.check()

    def check(self):
        for guest, (name, _, losses, errors, complete) in zip(self.host.guests, self.RUNS):
            trace, calls, results = self.trace_of(guest), self.calls_of(guest), guest.results
            found = f'{name}: '
            self.expect_equal(calls.hits(1), 1, f'{found}reads that were altered')
            self.expect_equal(trace.count('smmuv3_accel_events_lost', "host's"), losses,
                              f'{found}losses that QEMU knows of')
            self.expect_equal(trace.count('smmuv3_accel_host_error', 'vEVENTQ'), errors,
                              f'{found}errors of the file')
            lost = results.number('faults_lost')
            self.expect(lost >= 1 if losses else lost == 0,
                        f"{found}L2's driver has seen {lost} overflows")
            seen = results.number('faults_seen')
            if complete is None:
                self.expect_equal(seen, 0, f"{found}faults in L2's dmesg")
                self.expect_equal(trace.count('smmuv3_accel_event'), 0, f'{found}events')
            else:
                wanted = range(self.faults if complete else self.faults - 1, self.faults + 1)
                self.expect(seen in wanted, f"{found}{seen} faults are in L2's dmesg")

    def table(self):
        for guest in self.host.guests:
            results = guest.results
            self.row(guest.name, f'{results.get("faults_seen", "?")} of {self.faults} faults seen '
                     f'in L2, {results.get("faults_lost", "?")} overflows')


class Gbpa(EduTest):
    """SMMUEN off and on, GBPA.ABORT

    The SMMU off and on again, behind its driver's back: off, DMA goes to guest physical addresses,
    or nowhere with GBPA.ABORT; on, what the stream table says counts again. Without firmware,
    nothing is at the end of memory, so mem= leaves a piece there for this.
    """
    scenario = 'arm64/gbpa'
    expected_seconds = 20
    guest_test = 'edu-off-on'
    guest_tools = ('edu-gbpa',)
    l2_firmware = False
    parameters = {'memory': '0x5f000000'}
    l2_allows = ('F_TRANSLATION', r'\bevent 0x10 received', 'events lost')
    #: in the order of edu-gbpa.c
    states = {'now': 'aborted', 'on': 'aborted', 'off': 'passes', 'off_abort': 'aborted',
              'off_again': 'passes', 'on_again': 'aborted'}

    def l0_devices(self):
        # the guest's memory is above the 28 bits that edu has of its own
        return ['-device', 'edu,addr=3,dma_mask=0xffffffff']

    def l2_devices(self):
        return on_pcie0(*self.assign)

    def l2_append(self):
        return [*super().l2_append(), 'mem=480M']

    def check_states(self):
        """DMA passes, or not, as the SMMU's registers say."""
        for state, wanted in self.states.items():
            self.expect_equal(self.l2[f'dma_{state}'], wanted, f'DMA, SMMU {state}')

    def check(self):
        self.check_group()
        self.check_states()
        self.expect_equal(self.trace.count('smmuv3_accel_host_error'), 0, 'host calls that failed')

    def table(self):
        self.row_device()
        for state in self.states:
            self.row(f'SMMU {state}', self.l2.get(f'dma_{state}', '?'))


class SteRefused(Gbpa):
    """an STE that the host refuses is an event in the guest

    It is a bad STE for the guest: an event says so, the device's DMA is aborted as long as the SMMU
    is on, and QEMU goes on. The interposer refuses it.
    """
    scenario = 'arm64/ste-refused'
    expected_seconds = 20
    l2_allows = ('C_BAD_STE', r'\bevent 0x04 received')

    def interpose(self):
        # QEMU makes two for its own use
        return Rules().add(refuse_ste(3))

    def check(self):
        self.check_group()
        self.check_states()
        self.expect(self.calls.hits(1) >= 2, f'{self.calls.hits(1)} STEs were refused: it should '
                    'be one at first, and one when the SMMU is on again')
        self.expect(self.trace.count('smmuv3_accel_host_error') >= self.calls.hits(1),
                    'QEMU does not know of all refusals')
        self.expect_equal(self.trace.count('smmuv3_accel_install_ste'), 0, 'STEs in use')
        self.expect('C_BAD_STE' in self.l2['bad_ste'], 'L2 has no event C_BAD_STE')

    def table(self):
        self.row('host', f'{self.calls.hits(1)} STEs refused')
        self.row('guest', self.l2.get('bad_ste', 'no event'))
        super().table()
