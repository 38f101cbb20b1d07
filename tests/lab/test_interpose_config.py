#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The interposer refuses a configuration that is wrong; its builder in Python does, too."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(REPO / 'lab'), str(REPO / 'tests' / 'house')]

# pylint: disable=wrong-import-position
import report
from interpose_case import Case
from qemu_lab import interpose
from qemu_lab.interpose import Field, Rule, Rules


class TestConfiguration(Case):
    """A configuration that is wrong in any way ends the process."""

    def refused(self, text, line, message):
        process = self.start(text, 'hwpt:2')
        self.assertEqual(process.returncode, interpose.BAD_CONFIG, text)
        self.assertEqual((process.stdout, self.log.exists()), ('', False), text)
        self.assertEqual(len(process.stderr.splitlines()), 1)
        self.assertIn(f'config:{line}: ', process.stderr)
        self.assertIn(message, process.stderr)

    def test_wrong_lines(self):
        for text, message in (
                ('rules KVM_RUN drop', "unknown word 'rules'"),
                ('rule KVM_RUN', "not 'rule KIND ACTION'"),
                ('rule KVM_WALK drop', "unknown kind 'KVM_WALK'"),
                ('rule rule:1 drop', "unknown kind 'rule:1'"),
                ('rule IOMMU_HWPT_ALLOC/NO drop', "unknown kind 'IOMMU_HWPT_ALLOC/NO'"),
                ('rule KVM_RUN refuse', "unknown action 'refuse'"),
                ('rule KVM_RUN drop errno=EIO', "unknown key 'errno' for drop of KVM_RUN"),
                ('rule KVM_RUN drop times', "'times' is not KEY=VALUE"),
                ('rule KVM_RUN drop times=x', "times: 'x' is not a number"),
                ('rule KVM_RUN drop times=1x', "times: '1x' is not a number"),
                ('rule KVM_RUN drop times=-1', "times: '-1' is not a number"),
                ('rule KVM_RUN drop times=', "times: '' is not a number"),
                ('rule KVM_RUN drop times=0x', "times: '0x' is not a number"),
                ('rule KVM_RUN drop times=18446744073709551616', 'is not a number'),
                ('rule KVM_RUN drop times=0x10000000000000000', 'is not a number'),
                ('rule KVM_RUN drop first=0', 'first: has to be 1 or more'),
                ('rule KVM_RUN fail', 'fail: without errno'),
                ('rule KVM_RUN fail errno=EWRONG', "unknown name 'EWRONG'"),
                ('rule KVM_RUN fail errno=5', "unknown name '5'"),
                ('rule KVM_RUN fail errno=EIO call=no', "call: 'no' is not 'yes'"),
                ('rule KVM_RUN fail errno=EIO done=1', 'only for IOMMU_HWPT_INVALIDATE'),
                ('rule KVM_RUN delay', 'delay: without usec'),
                ('rule KVM_RUN drop where=0:4:1:1', 'where: the argument of this kind is no'),
                ('rule KVM_RUN alter in=0:4:1:1', 'in: the argument of this kind is no structure'),
                ('rule IOMMU_DESTROY alter', 'alter: without anything to alter'),
                ('rule IOMMU_DESTROY alter in=0:4:1', 'in: not OFFSET:SIZE:MASK:VALUE'),
                ('rule IOMMU_DESTROY alter in=0:4:1:1:1', 'in: not OFFSET:SIZE:MASK:VALUE'),
                ('rule IOMMU_DESTROY alter in=0:3:1:1', 'in: size is not 1, 2, 4 or 8'),
                ('rule IOMMU_DESTROY alter in=0:1:0x100:0', 'in: mask is 0 or does not fit'),
                ('rule IOMMU_DESTROY alter in=0:1:1:2', 'in: value has bits outside of the mask'),
                ('rule IOMMU_DESTROY alter data=0:1:1:1', 'data: this kind has no data'),
                ('rule IOMMU_DESTROY alter caps=00', 'caps: this kind has no capabilities'),
                ('rule VFIO_DEVICE_GET_INFO alter caps=0', 'caps: not bytes in hexadecimal'),
                ('rule VFIO_DEVICE_GET_PCI_HOT_RESET_INFO alter caps=00', 'caps: this kind has no'),
                ('rule IOMMU_DESTROY alter entry=0:1:1:1', 'only for IOMMU_HWPT_INVALIDATE'),
                ('rule IOMMU_HWPT_INVALIDATE alter entrywhere=0:1:1:1', 'without anything to'),
                ('rule IOMMU_HWPT_INVALIDATE alter entry=0:1:1:1 in=0:1:1:1', 'rules of their own'),
                ('rule IOMMU_DESTROY alter lost=1', "unknown key 'lost'"),
                ('rule read:fault alter lost=1', 'only for read:veventq'),
                ('rule read:veventq alter lost=1 first=2', 'lost: not in a rule with'),
                ('rule read:veventq drop', 'drop: only for an ioctl'),
                ('rule mmap:iommufd alter short=1', "unknown key 'short'"),
                ('rule pread:kvm alter config=0:1:1:1', 'config: only for pread:vfio-device'),
                ('rule read:nothing fail errno=EIO', "unknown kind 'read:nothing'"),
                ('count', "not 'count PATH'"),
                ('count /dev/null/x', 'count: /dev/null/x: Not a directory'),
                ('count a b', "not 'count PATH'")):
            with self.subTest(text):
                self.refused(f'# a comment\n\n{text} # another\n', 3, message)

    def test_too_much(self):
        self.refused('rule KVM_RUN drop\n' * 65, 65, 'more than 64 rules')
        self.refused(f'count {self.counters}\n' * 2, 2, 'given twice')

    def test_a_file_that_is_missing(self):
        environment = dict(os.environ, LD_PRELOAD=f'{self.tmp}/interpose.so',
                           INTERPOSE=f'{self.tmp}/missing')
        process = subprocess.run([self.tmp / 'victim', 'names'], env=environment, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.assertEqual((process.returncode, process.stdout), (interpose.BAD_CONFIG, ''))
        self.assertIn('missing: No such file', process.stderr)

    def test_counters_of_something_else(self):
        self.counters.write_bytes(b'x' * 1000)
        self.refused(f'count {self.counters}\n', 1, 'is a file of something else')
        self.counters.unlink()
        self.results(Rules(), 'hwpt:2')
        self.log.unlink()
        data = bytearray(self.counters.read_bytes())
        data[96] = ord('J')
        self.counters.write_bytes(data)
        self.refused(f'count {self.counters}\n', 1, 'has counters of another kernel')

    def test_all_that_the_builder_renders(self):
        rules = Rules().count('/tmp/x').fail('KVM_RUN', 'EIO', call=True, first=2)
        rules.alter('IOMMU_DESTROY', in_=[Field(0, 4, 1, 3), Field(8, 8, 0)])
        self.assertEqual(str(rules), 'count /tmp/x\nrule KVM_RUN fail errno=EIO call=yes first=2\n'
                         'rule IOMMU_DESTROY alter in=0x0:4:0x3:0x1 '
                         'in=0x8:8:0xffffffffffffffff:0x0\n')
        self.assertEqual(str(interpose.lost_event(3).but(lost=4)),
                         'rule read:veventq alter lost=4')
        self.assertRaises(ValueError, Field, 0, 4, 2, 1)
        self.assertRaises(ValueError, Field, 0, 3, 0)
        self.assertRaises(ValueError, Field, 0, 1, 0, 0x100)
        self.assertRaises(ValueError, Rule, 'KVM_RUN', 'drop', {'errno': 'EIO'})
        self.assertRaises(ValueError, str, Rules().fail('KVM_RUN', 'EWRONG'))


if __name__ == '__main__':
    report.main()
