# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of the lab itself: each is broken on purpose, and the run has to fail for it."""

import re

from qemu_lab.arm64 import Arm64Test
from qemu_lab.parts import BUILD
from qemu_lab.runner import run_test


class BrokenRun(Arm64Test):
    """A run in which L2 or L1 does what lab/guest/break-rule does; no scenario of its own."""

    guest_test = 'break-rule'
    guest_tools = ()
    l2_firmware = False
    l2_cpus = 1
    l2_memory = '128M'
    trace_events = ('memory_region_ops_read',)
    rule = 'none'
    parent_out = BUILD / 'lab' / 'arm64' / 'rules'

    @property
    def parameters(self):
        """For break-rule"""
        return {'rule': self.rule}

    def check(self):
        pass


class Harmless(BrokenRun):
    """Nothing is broken"""
    scenario = None


class WarnsInL2(BrokenRun):
    """L2's kernel warns, and tells of an event"""
    rule = 'warn'


class EventInL2(BrokenRun):
    """L2's SMMU driver tells of an event"""
    rule = 'event'


class WarnsInL1(BrokenRun):
    """L1's kernel says that something is wrong"""

    def beside_guest(self, guest):
        self.host.run("echo '<3>BUG: scheduling while atomic' > /dev/kmsg")


class NeverEnds(BrokenRun):
    """L1 does not power off"""
    guest_test = None

    def set_up_host(self, host):
        host.power_off = 'true'


class HostStops(BrokenRun):
    """L1 stops in the middle"""

    def beside_guest(self, guest):
        guest.wait_for('started')
        self.host.agent.start('echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger', 5)
    rule = 'hang'


class TimesOut(BrokenRun):
    """L0 is stopped by its limit of time"""
    timeout = 15
    rule = 'hang'


class NoResult(BrokenRun):
    """A result that a check wants is missing"""

    def check(self):
        self.others = [self.failures_of(check) for check, _ in self.OTHERS]
        self.expect_equal(self.l2['verified'], 'yes', 'verified')

    def log_missing(self):
        """A log that is looked at is missing"""
        self.log('l3.qemu.log')

    def no_event(self):
        """A trace event was renamed"""
        self.trace.count('smmuv3_accel_no_such_event')

    def not_enabled(self):
        """A trace event is counted that was not on"""
        self.trace.count('smmuv3_accel_host_error')

    def no_call(self):
        """A host call is counted that there is not"""
        try:
            self.calls['IOMMU_NO_SUCH_CALL']  # pylint: disable=expression-not-assigned
        except KeyError as error:
            raise AssertionError(str(error)) from None

    #: what else a check may do in vain, and what it has to be told
    @property
    def OTHERS(self):  # pylint: disable=invalid-name
        """Pairs of a check and the reason why it fails"""
        return ((self.log_missing, 'l3.qemu.log is missing'),
                (self.no_event, 'no trace event smmuv3_accel_no_such_event'),
                (self.not_enabled, 'smmuv3_accel_host_error was not enabled'),
                (self.no_call, 'IOMMU_NO_SUCH_CALL'))


class Rules(Arm64Test):
    """what the lab must not let pass, broken on purpose"""
    scenario = 'arm64/rules'
    expected_seconds = 150

    #: runs of their own, and how each has to fail
    RUNS = (
        (WarnsInL2, "l2's kernel: WARNING"),
        (EventInL2, "l2's kernel: .*event 0x10"),
        (WarnsInL1, "L1's kernel: BUG"),
        (NeverEnds, 'L1 has not powered off'),
        (HostStops, 'L0 has ended'),
        (TimesOut, 'L0 was still running after 15 s'),
        (NoResult, 'has reported no verified'),
    )
    #: guests, and how Guest.wait() has to fail
    GUESTS = (
        ('hang', 'still running after'),
        ('cut', 'has not reported end'),
        ('panic', 'has not reported end'),
    )

    def run_inner(self, cls):
        """A run of @cls, and what is wrong with it"""
        inner = type(cls.__name__, (cls,), {'__doc__': cls.__doc__})
        inner.scenario = re.sub('(?<!^)(?=[A-Z])', '-', cls.__name__).lower()
        test = inner('test')
        return test, run_test(test)

    def test(self):
        self.caught = []
        self.expect_equal(self.run_inner(Harmless)[1], [], 'a run in which nothing is broken')
        for cls, reason in self.RUNS:
            test, problems = self.run_inner(cls)
            self.judge(cls.__doc__, reason, problems)
            if cls is NoResult:
                for (check, why), found in zip(test.OTHERS, test.others):
                    self.judge(check.__doc__, why, found)
        self.guests()

    def judge(self, what, reason, problems):
        """Whether what was broken was noticed, for the right reason"""
        good = any(re.search(reason, problem) for problem in problems)
        self.expect(good, f'{what}: not noticed for that reason: {problems}')
        self.caught += [what] if good else []

    def guests(self):
        """L2 that does not end as it should, three times in one L1"""
        self.boot()
        for rule, reason in self.GUESTS:
            guest = self.new_guest(rule, self.args_for(rule))
            guest.seconds = 15 if rule == 'hang' else 60
            with self.assertRaisesRegex(AssertionError, reason):
                guest.start().wait()
            self.caught.append(f'L2: {rule}')
        killed = self.new_guest('killed', self.args_for('hang')).start()
        killed.wait_for('started')
        self.host.run('kill -9 $(cat /tmp/killed.pid)')
        with self.assertRaisesRegex(AssertionError, 'ended with status 137'):
            killed.wait()
        self.caught.append('QEMU is killed')
        self.finish()
        self.expect(any('Kernel panic' in problem for problem in self.problems),
                    "L2's panic is not among the faults of its console")
        self.problems = [problem for problem in self.problems if "L2's console" not in problem]

    def args_for(self, rule):
        """L2's command line with another rule"""
        inner = BrokenRun('test')
        inner.rule = rule
        return inner.guest_args()

    def table(self):
        self.row('noticed', len(self.caught))
        for what in self.caught:
            self.row('', what)
