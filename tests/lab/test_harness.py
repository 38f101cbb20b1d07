#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab makes of logs and results, without a machine; arm64/rules does it with one."""

import sys
import tempfile
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(REPO / 'lab'), str(REPO / 'tests' / 'house')]

# pylint: disable=wrong-import-position
import report
from qemu_lab import kernlog, runner, testcase
from qemu_lab.parts import LabError
from qemu_lab.ports import Results
from qemu_lab.trace import Trace

FAULTS = '''\
[    5.1] WARNING: CPU: 0 PID: 1 at drivers/iommu/iommufd/main.c:100 iommufd_put+0x10
[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    5.1] Internal error: Oops: 0000000096000004 [#1] SMP
[    5.1] Kernel panic - not syncing: Fatal exception
[    5.1] WARNING: possible circular locking dependency detected
[    5.1] rcu: INFO: rcu_preempt self-detected stall on CPU
[    5.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
[    5.1] INFO: task dd:100 blocked for more than 122 seconds.
[    5.1] arm-smmu-v3 arm-smmu-v3.0.auto: event 0x10 received:
[    5.1] arm-smmu-v3 arm-smmu-v3.0.auto: event: F_TRANSLATION client: 0000:09:00.0 sid: 0x900
[    5.1] arm-smmu-v3 arm-smmu-v3.0.auto: CMD_SYNC timeout at 0x00000010
[    5.1] arm-smmu-v3 arm-smmu-v3.0.auto: CMDQ error (cons 0x01000005): Illegal command
[    5.1] DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0x1000 [fault reason 0x06]
[    5.1] AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:00:04.0 domain=0x0001 address=0x1000]
'''

HARMLESS = '''\
[    0.0] Linux version 7.3.4 (viommu@lab)
[    0.1] arm-smmu-v3 arm-smmu-v3.0.auto: ias 44-bit, oas 44-bit (features 0x01008305)
[    0.1] arm-smmu-v3 arm-smmu-v3.0.auto: allocated 65536 entries for evtq
[    0.1] DMAR: Host address width 39
[    0.1] AMD-Vi: Interrupt remapping enabled
[    0.1] rcu: Hierarchical RCU implementation.
[    0.1] GPT:disk_guids don't match.
'''


class KernelLogTest(unittest.TestCase):
    """Which lines speak of a fault"""

    def test_each_fault_is_found(self):
        for line in FAULTS.splitlines():
            with self.subTest(line):
                self.assertEqual(kernlog.faults(line), [kernlog.strip(line)])

    def test_levels_and_times_are_left_out(self):
        self.assertEqual(kernlog.faults('<4>[    5.123456] WARNING: CPU: 0'), ['WARNING: CPU: 0'])

    def test_harmless_lines_are_not(self):
        self.assertEqual(kernlog.faults(HARMLESS), [])

    def test_a_scenario_names_what_it_makes(self):
        line = FAULTS.splitlines()[8]
        self.assertEqual(kernlog.faults(line, ['event 0x10']), [])
        self.assertEqual(kernlog.faults(line, ['event 0x1f']), [kernlog.strip(line)])


class ResultsTest(unittest.TestCase):
    """What came over a port"""

    def setUp(self):
        self.results = Results('L2')
        self.results.add_line('{"verified": "yes"}')
        self.results.add_line('{"n": "1"}')
        self.results.add_line('{"n": "2"}')

    def test_the_last_value_counts(self):
        self.assertEqual((self.results['n'], self.results.all('n')), ('2', ['1', '2']))

    def test_a_missing_result_is_an_error(self):
        with self.assertRaisesRegex(AssertionError, 'L2 has reported no sha256'):
            self.results['sha256']  # pylint: disable=pointless-statement

    def test_half_a_line_is_no_result(self):
        self.results.add_line('{"cut": "of')
        self.assertNotIn('cut', self.results)
        self.assertEqual(self.results['bad_line'], '{"cut": "of')

    def test_a_number_is_one(self):
        self.assertEqual(self.results.number('n'), 2)
        with self.assertRaisesRegex(AssertionError, 'no number'):
            self.results.number('verified')

    def test_waiting_ends(self):
        with self.assertRaisesRegex(AssertionError, 'n: waited 0 s for it to be 3'):
            self.results.wait('n', '3', seconds=0)
        with self.assertRaisesRegex(AssertionError, 'QEMU has ended'):
            self.results.wait('n', '3', seconds=60, unless=lambda: 'QEMU has ended')
        self.assertEqual(self.results.wait('n', times=2, seconds=0), '2')


class TraceTest(unittest.TestCase):
    """Events that are counted"""

    KNOWN = {'smmuv3_cmdq_opcode', 'smmuv3_msi', 'smmuv3_accel_host_error'}

    def trace(self, text, enabled=('smmuv3_cmdq_opcode', 'smmuv3_accel_*')):
        with tempfile.TemporaryDirectory() as out:
            path = Path(out) / 'trace.log'
            if text is not None:
                path.write_text(text)
            return Trace(path, enabled, self.KNOWN)

    def test_events_are_counted(self):
        trace = self.trace('12@1.5:smmuv3_cmdq_opcode <--- SMMU_CMD_SYNC\n'
                           'smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_NH_VA\nsome other line\n')
        self.assertEqual(trace.count('smmuv3_cmdq_opcode'), 2)
        self.assertEqual(trace.count('smmuv3_cmdq_opcode', 'SYNC'), 1)
        self.assertEqual(trace.commands('SMMU_CMD_TLBI_*'), 1)
        self.assertEqual(trace.count('smmuv3_accel_host_error'), 0)

    def test_an_event_that_is_not_there(self):
        with self.assertRaisesRegex(AssertionError, 'QEMU has no trace event smmuv3_renamed'):
            self.trace('').count('smmuv3_renamed')
        with self.assertRaisesRegex(AssertionError, 'no trace events'):
            self.trace('', ['smmuv3_renamed'])

    def test_an_event_that_was_not_on(self):
        with self.assertRaisesRegex(AssertionError, 'smmuv3_msi was not enabled'):
            self.trace('').count('smmuv3_msi')

    def test_a_log_that_is_not_there(self):
        with self.assertRaisesRegex(AssertionError, 'missing'):
            self.trace(None)


class StaleTest(unittest.TestCase):
    """What an earlier run has left"""

    def test_no_evidence_of_an_earlier_run(self):
        class Empty(testcase.LabTest):
            """A run that does nothing"""
            scenario = 'empty'

        with tempfile.TemporaryDirectory() as out:
            Empty.parent_out = Path(out)
            (Path(out) / 'empty' / 'logs').mkdir(parents=True)
            for name in ('l2.trace.log', 'l2.calls', 'l2.jsonl', 'logs/x.calls'):
                (Path(out) / 'empty' / name).write_text('from before')
            Empty('setUp').setUp()
            self.assertEqual([path.name for path in Path(out).glob('**/*') if path.is_file()], [])
        # no scenario of runner.scenarios()
        Empty.scenario = None


class NamesTest(unittest.TestCase):
    """What the command line takes"""

    def test_scenarios(self):
        known = runner.scenarios()
        self.assertIn('arm64/accel', known)
        for name, cls in known.items():
            with self.subTest(name):
                self.assertTrue(cls.__doc__, 'no title')
                self.assertEqual(name.split('/')[0], cls.arch.name)

    def test_needs_are_known(self):
        """What scenarios are made of: lines that scripts/do takes, kernels that there are"""
        kernels = {line.split()[0] for line in (REPO / 'base' / 'linux-kernels').read_text()
                   .splitlines() if line and line[0] != '#'}
        cases = (REPO / 'scripts' / 'do').read_text()
        for name, cls in runner.scenarios().items():
            for line in runner.needs(cls):
                with self.subTest(f'{name}: {line}'):
                    word, _, rest = line.partition(' ')
                    self.assertRegex(cases, rf"(?m)^ +'?{word.split('-')[0]} ?'?\*?'?\)")
                    if word == 'kernel':
                        self.assertIn(rest, kernels)

    def test_a_pattern(self):
        self.assertIn('arm64/accel-control', runner.chosen(['arm64/accel*']))

    def test_an_unknown_name(self):
        with self.assertRaises(LabError) as caught:
            runner.chosen(['arm64/nothing'])
        self.assertIn('arm64/accel', caught.exception.remedy)


if __name__ == '__main__':
    report.main()
