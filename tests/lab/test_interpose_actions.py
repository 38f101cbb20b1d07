#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of the interposer do what they say to arguments and answers."""

import struct
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(REPO / 'lab'), str(REPO / 'tests' / 'house')]

# pylint: disable=wrong-import-position
import report
from interpose_case import Case
from qemu_lab import interpose
from qemu_lab.interpose import Field, Rules


class TestActions(Case):
    """What is done to calls."""

    def test_fail_with_the_call(self):
        rules = Rules().fail('IOMMU_HWPT_INVALIDATE', 'EOPNOTSUPP', call=True, times=1)
        rules.fail('IOMMU_HWPT_INVALIDATE', 'EIO', done=2, times=1)
        lines = self.run_steps(rules, 'invalidate:3', 'invalidate:3', 'invalidate:3')
        self.assertEqual([(line.result, line['done']) for line in lines],
                         [('EOPNOTSUPP', 0), ('EIO', 2), (0, 3)])
        self.assertEqual(len([line for line in self.kernel if line.startswith('invalidate')]), 2)
        self.assertEqual(self.calls.items('IOMMU_HWPT_INVALIDATE'), 9)

    def test_fail_one_type(self):
        rules = Rules().add(interpose.refuse_ste(2), interpose.no_cmdqv())
        rules.fail('VFIO_DEVICE_FEATURE/DMA_BUF', 'ENOTTY')
        self.assertEqual(
            self.results(rules, 'hwpt:0', 'hwpt:2', 'hwpt:0', 'hwpt:2', 'hw_info', 'hw_info:3',
                         'feature:11', 'feature:10'),
            [0, 0, 0, 'EINVAL', 0, 'EOPNOTSUPP', 'ENOTTY', 0])
        self.assertEqual([self.calls.hits(n) for n in (1, 2, 3)], [1, 1, 1])
        self.assertEqual(self.kernel, ['hwpt 0', 'hwpt 2', 'hwpt 0', 'hw_info cmdqv=0',
                                       'feature 0xa'])

    def test_fail_a_mmap(self):
        rules = Rules().fail('mmap:iommufd', 'EAGAIN', where=Field(0, 8, 0x3000), times=1)
        rules.fail('mmap:iommufd', 'EBUSY', where=Field(8, 8, 0x1000), call=True, times=1)
        self.assertEqual(self.results(rules, 'mmap:1', 'mmap', 'mmap', 'mmap'),
                         [0, 'EAGAIN', 'EBUSY', 0])
        self.assertEqual(self.kernel, ['munmap 4096'])
        self.assertEqual(self.calls.failed('mmap:iommufd'), 2)
        self.assertEqual(self.calls['mmap:iommufd'], 3)

    def test_drop(self):
        line, = self.run_steps(Rules().drop('IOMMU_HWPT_INVALIDATE'), 'invalidate:3')
        self.assertEqual((line.result, line['done']), (0, 3))
        self.assertEqual(self.kernel, [])
        self.assertEqual(self.calls.hits(1), 1)
        self.assertEqual(self.calls.failed('IOMMU_HWPT_INVALIDATE'), 0)

    def test_drop_an_unmap(self):
        self.assertEqual(self.results(None, 'map', 'map', 'unmap', 'map'), [0, 'EEXIST', 0, 0])
        self.setUp()
        rules = Rules().drop('IOMMU_IOAS_UNMAP', first=2)
        self.assertEqual(self.results(rules, 'map', 'map', 'unmap', 'unmap', 'map', 'unmap', 'map'),
                         [0, 'EEXIST', 0, 0, 0, 0, 0])
        self.assertEqual(self.kernel, ['map', 'map', 'unmap', 'map', 'map'])
        self.assertEqual(self.calls.failed('IOMMU_IOAS_MAP'), 1)

    def test_drop_an_unmap_of_a_container(self):
        rules = Rules().drop('VFIO_IOMMU_UNMAP_DMA', times=1)
        self.assertEqual(self.results(rules, 'dma_map', 'dma_map', 'dma_map:1', 'dma_map', 'map'),
                         [0, 'EEXIST', 0, 0, 'EEXIST'])
        self.assertEqual(self.kernel, ['map'] * 4)

    def test_delay(self):
        def seconds(rules):
            begin = time.monotonic()
            self.assertEqual(self.results(rules, 'hwpt:2', 'hwpt:2'), [0, 0])
            return time.monotonic() - begin

        self.assertGreaterEqual(seconds(Rules().delay('IOMMU_HWPT_ALLOC', 600000, times=1)), 0.6)
        self.assertEqual(self.calls.hits(1), 1)
        self.assertEqual(self.kernel, ['hwpt 2', 'hwpt 2'])

    def test_the_first_answer_counts(self):
        rules = Rules().delay('IOMMU_HWPT_ALLOC', 1).fail('IOMMU_HWPT_ALLOC', 'EIO', times=1)
        rules.drop('IOMMU_HWPT_ALLOC')
        self.assertEqual(self.results(rules, 'hwpt:2', 'hwpt:2'), ['EIO', 0])
        self.assertEqual([self.calls.hits(n) for n in (1, 2, 3)], [2, 1, 1])
        self.assertEqual(self.kernel, [])


class TestAlter(Case):
    """What is altered in arguments and answers."""

    def test_before_the_call(self):
        rules = Rules().alter('IOMMU_HWPT_INVALIDATE', in_=Field(4, 4, 0x30, 0xf0), times=1)
        self.results(rules, 'invalidate:1', 'invalidate:1')
        self.assertEqual([line for line in self.kernel if 'hwpt' in line],
                         ['invalidate 1 hwpt=55', 'invalidate 1 hwpt=7'])
        self.assertEqual(self.calls.hits(1), 1)

    def test_id_registers(self):
        rules = Rules().add(interpose.fake_idr(0, 0xff0, 0x550), interpose.fake_idr(5, 7, 5))
        lines = self.run_steps(rules, 'hw_info', 'hw_info:3')
        self.assertEqual(lines[0]['idr0'], 0x11111551)
        self.assertEqual(lines[0]['idr5'], 0x11111115)
        self.assertEqual([lines[0][f'idr{n}'] for n in (1, 2, 3, 4)], [0x11111111] * 4)
        self.assertEqual(lines[1]['idr0'], 0x11111111)
        self.assertEqual([self.calls.hits(1), self.calls.hits(2), self.calls.met(1)], [1, 1, 2])
        self.assertRaises(ValueError, interpose.fake_idr, 6, 1, 1)

    def test_the_rest_of_the_hardware(self):
        lines = self.run_steps(None, 'hw_info')
        self.assertEqual((lines[0]['type'], lines[0]['pasid'], lines[0]['caps']), (2, 3, 3))
        for rule, wanted in ((interpose.fake_iommu(1), (1, 3, 3)),
                             (interpose.no_ats(), (2, 3, 0xb)),
                             (interpose.pasid(20, True, True), (2, 20, 7)),
                             (interpose.pasid(1, privileged=True), (2, 1, 5)),
                             (interpose.pasid(200), (2, 200, 1))):
            with self.subTest(rule=str(rule)):
                line, = self.run_steps(Rules().add(rule), 'hw_info')
                self.assertEqual((line['type'], line['pasid'], line['caps']), wanted)

    def test_data_ends_with_the_buffer(self):
        rules = Rules().alter('IOMMU_GET_HW_INFO', data=Field(40, 4, 1), times=1)
        self.run_steps(rules, 'hw_info', 'hw_info')
        self.assertEqual((self.calls.met(1), self.calls.hits(1)), (2, 0))

    def test_an_answer_that_failed_is_not_altered(self):
        rules = Rules().alter('VFIO_DEVICE_FEATURE', out=Field(4, 4, 9), times=1)
        rules.fail('VFIO_DEVICE_FEATURE', 'EIO', times=1)
        self.assertEqual(self.results(rules, 'feature:11', 'feature:11'), ['EIO', 0])
        self.assertEqual((self.calls.hits(1), self.calls.hits(2)), (1, 1))

    def test_entries(self):
        rules = Rules().add(interpose.blunt_atc_inv(first=2))
        lines = self.run_steps(rules, 'invalidate:4', 'invalidate:2')
        self.assertEqual([line.result for line in lines], [0, 0])
        self.assertEqual([line for line in self.kernel if line.startswith('entry')],
                         ['entry 0x11 0x5000', 'entry 0x40 0x5001', 'entry 0x11 0x5002',
                          'entry 0x40 0x1000', 'entry 0x11 0x5000', 'entry 0x40 0x1000'])
        self.assertEqual((self.calls.met(1), self.calls.hits(1)), (3, 2))
        self.assertEqual(self.calls.altered('IOMMU_HWPT_INVALIDATE'), 2)

    def test_entries_of_two_rules(self):
        rules = Rules().alter('IOMMU_HWPT_INVALIDATE', entry=Field(8, 2, 0x6001), times=1)
        rules.alter('IOMMU_HWPT_INVALIDATE', entry=Field(0, 1, 0x12), entrywhere=Field(0, 1, 0x11))
        self.results(rules, 'invalidate:2')
        self.assertEqual(self.kernel[:2], ['entry 0x12 0x6001', 'entry 0x40 0x5001'])

    def test_capabilities(self):
        areas = [(0x1000, 0x2000), (0x80000, 0x1000)]
        line, = self.run_steps(None, 'region:0:80')
        self.assertEqual((line['argsz'], line['flags'], line['cap']), (80, 1, 0xdead))
        lines = self.run_steps(Rules().add(interpose.sparse_caps(areas)), 'region:0:32',
                               'region:0:79', 'region:0:80', 'region:0:96', 'region:1:96')
        self.assertEqual([(line['argsz'], line['flags'], line['cap']) for line in lines],
                         [(80, 0xd, 0), (80, 0xd, 0), (80, 0xd, 32), (96, 0xd, 32),
                          (96, 1, 0xdead)])
        chain = struct.pack('<HHIIIQQQQ', 1, 1, 0, 2, 0, 0x1000, 0x2000, 0x80000, 0x1000)
        self.assertEqual([line.data[:48] == chain for line in lines],
                         [False, False, True, True, False])
        self.assertEqual(self.calls.hits(1), 4)

    def test_broken_capabilities(self):
        line, = self.run_steps(Rules().add(interpose.sparse_caps([(0, 0x1000)], count=0x7fffffff)),
                               'region:0:96')
        self.assertEqual(line.data[:32], struct.pack('<HHIIIQQ', 1, 1, 0, 0x7fffffff, 0, 0, 0x1000))
        line, = self.run_steps(Rules().add(interpose.broken_cap(0x20, region=2)), 'region:2:40')
        self.assertEqual((line['argsz'], line['cap'], line.data[:8]),
                         (40, 32, struct.pack('<HHI', 99, 0, 0x20)))

    def test_capabilities_of_other_structures(self):
        chain = bytes(range(8))
        rules = Rules().alter('VFIO_DEVICE_GET_INFO', caps=chain)
        rules.alter('VFIO_IOMMU_GET_INFO', caps=chain)
        lines = self.run_steps(rules, 'device_info:24', 'device_info:32', 'request_112:0',
                               'request_112:1', 'device_info:16')
        self.assertEqual([(line['argsz'], line['flags'], line['cap']) for line in lines],
                         [(32, 0x82, 0), (32, 0x82, 24), (64, 2, 24), (64, 0, 0), (16, 2, 0)])
        self.assertEqual(lines[1].data, chain)
        self.assertEqual((self.calls.hits(1), self.calls.hits(2)), (2, 1))

    def test_configuration_space(self):
        rules = Rules().add(interpose.config_words({0x100: 0x1801000f, 0x10c: 0}))
        lines = self.run_steps(rules, 'config:7:256:16', 'config:7:255:4', 'config:7:259:1',
                               'config:7:0:4096', 'config:7:264:4', 'config:0:256:16')
        self.assertEqual([line.data.hex() for line in lines],
                         ['0f000118' + '77' * 8 + '00000000', '770f0001', '18', '77' * 16,
                          '77777777', '77' * 16])
        self.assertEqual([line.result for line in lines], [16, 4, 1, 4096, 4, 16])
        self.assertEqual(self.calls.hits(1), 4)


class TestEvents(Case):
    """What is read of a queue with three events."""

    @staticmethod
    def event(n, sequence=None, words=8):
        return struct.pack(f'<II{words}I', 0, n if sequence is None else sequence,
                           *[0xe0 + n] * words)

    def read(self, rules, *steps, queue=1):
        return self.run_steps(rules, f'alloc_events:{queue}', *steps)[1:]

    def test_as_they_are(self):
        line, = self.read(Rules(), 'read:1000')
        self.assertEqual(line.data, self.event(0) + self.event(1) + self.event(2))

    def test_lost(self):
        line, = self.read(Rules().add(interpose.lost_event(2)), 'read:1000')
        self.assertEqual(line.data, self.event(0) + struct.pack('<II', 1, 1) + self.event(2))
        self.assertEqual(line.result, 88)
        self.assertEqual((self.calls.met(1), self.calls.hits(1)), (3, 1))

    def test_lost_in_a_later_read(self):
        lines = self.read(Rules().add(interpose.lost_event(3)), 'read:40', 'read:80')
        self.assertEqual([line.data for line in lines],
                         [self.event(0), self.event(1) + struct.pack('<II', 1, 2)])

    def test_lost_of_another_queue(self):
        line, = self.read(Rules().add(interpose.lost_event(2)), 'read:1000', queue=2)
        self.assertEqual(line.data, self.event(0, words=4) + struct.pack('<II', 1, 1) +
                         self.event(2, words=4))

    def test_gap(self):
        lines = self.read(Rules().alter('read:veventq', gap=5, first=2, times=1), 'read:40',
                          'read:40', 'read:40')
        self.assertEqual([line.data for line in lines],
                         [self.event(0), self.event(1, 6), self.event(2, 7)])
        self.assertEqual(self.calls.hits(1), 1)

    def test_gap_at_the_end_of_the_numbers(self):
        line, = self.read(Rules().alter('read:veventq', gap=0x7fffffff), 'read:80')
        self.assertEqual(line.data, self.event(0, 0x7fffffff) + self.event(1, 0))

    def test_a_new_queue_has_no_gap(self):
        lines = self.read(Rules().alter('read:veventq', gap=5, times=1), 'read:40', 'close_events',
                          'alloc_events:1', 'read:40')
        self.assertEqual([lines[0].data, lines[3].data], [self.event(0, 5), self.event(0)])

    def test_a_short_read_that_is_not(self):
        line, = self.read(Rules().alter('read:veventq', short=40), 'read:40')
        self.assertEqual((line.data, self.calls.hits(1)), (self.event(0), 0))

    def test_short(self):
        lines = self.read(Rules().alter('read:veventq', short=12, times=1), 'read:40', 'read:40')
        self.assertEqual([line.data for line in lines], [self.event(0)[:12], self.event(1)])

    def test_eof_and_errors(self):
        rules = Rules().alter('read:veventq', eof=True, times=1)
        rules.fail('read:veventq', 'EIO', times=1)
        lines = self.read(rules, 'read:40', 'read:40', 'read:40')
        self.assertEqual([line.result for line in lines], [0, 'EIO', 40])
        self.assertEqual(lines[2].data, self.event(0))
        self.assertEqual(self.calls.failed('read:veventq'), 1)


if __name__ == '__main__':
    report.main()
