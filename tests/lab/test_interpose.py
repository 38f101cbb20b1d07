#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The interposer of lab/shim counts calls, and applies its rules to those that are meant."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(REPO / 'lab'), str(REPO / 'tests' / 'house')]

# pylint: disable=wrong-import-position
import report
from interpose_case import UAPI, Case, build
from qemu_lab.interpose import Calls, Field, Rules


class TestExports(Case):
    """The library has functions of libc, and none of its own."""

    def test_names(self):
        out = subprocess.run(['nm', '-D', '--defined-only', build() / 'interpose.so'], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        names = {line.split()[-1] for line in out.splitlines()}
        libc = ctypes.CDLL(None)
        self.assertLessEqual({'ioctl', 'mmap', 'read', 'pread', 'close'}, names)
        self.assertEqual({name for name in names if not hasattr(libc, name)}, set())


class TestNames(Case):
    """The table has the requests of the headers, and no two for one number of a class."""

    def test_all_requests_are_there(self):
        names = {line.split()[0] for line in self.start(None, 'names').stdout.splitlines()}
        for header, start in ('iommufd.h', 'IOMMU'), ('vfio.h', 'VFIO'):
            text = (UAPI / 'linux' / header).read_text().replace('\\\n', ' ')
            wanted = set(re.findall(rf'#define\s+({start}_\w+)\s+_IO', text))
            missing = {name for name in wanted - names if not re.search('SPAPR|EEH', name)}
            self.assertGreater(len(wanted), 15)
            self.assertEqual(missing, set())
        for name in ('KVM_RUN', 'KVM_SET_USER_MEMORY_REGION', 'KVM_SET_USER_MEMORY_REGION2',
                     'KVM_IRQFD', 'KVM_SIGNAL_MSI', 'KVM_CREATE_DEVICE', 'KVM_SET_GSI_ROUTING'):
            self.assertIn(name, names)

    def test_numbers_are_those_of_one_name(self):
        seen = {}
        for line in self.start(None, 'names').stdout.splitlines():
            name, request, classes = line.split()
            for bit in range(8):
                if int(classes) >> bit & 1:
                    self.assertEqual(seen.setdefault((bit, request), name), name)
        self.assertGreater(len(seen), 100)


class TestCount(Case):
    """Calls are counted under their names."""

    def test_without_a_configuration(self):
        self.assertEqual(self.results(None, 'invalidate:3', 'hwpt:2', 'unknown'), [0, 0, 'ENOTTY'])
        self.assertEqual(self.kernel[3:], ['invalidate 3 hwpt=7', 'hwpt 2'])
        self.assertIsNone(self.calls)

    def test_calls_items_and_failures(self):
        self.results(Rules(), 'invalidate:3', 'invalidate:4', 'unmap', 'map', 'map')
        self.assertEqual(self.calls['IOMMU_HWPT_INVALIDATE'], 2)
        self.assertEqual(self.calls.items('IOMMU_HWPT_INVALIDATE'), 7)
        self.assertEqual(self.calls.failed('IOMMU_HWPT_INVALIDATE'), 0)
        self.assertEqual((self.calls['IOMMU_IOAS_MAP'], self.calls.failed('IOMMU_IOAS_MAP')),
                         (2, 1))
        self.assertEqual(self.calls.failed('IOMMU_IOAS_UNMAP'), 1)
        self.assertEqual(self.calls['IOMMU_IOAS_COPY'], 0)
        self.assertEqual(self.calls.total('IOMMU_IOAS_*'), 3)
        self.assertEqual(self.calls.called()['KVM_CREATE_VCPU'], 1)

    def test_types(self):
        self.results(Rules(), 'hwpt:0', 'hwpt:2', 'hwpt:2', 'hwpt:99', 'hw_info', 'hw_info:3',
                     f'feature:{11 | 1 << 16}', f'feature:{1 << 16}')
        wanted = {'IOMMU_HWPT_ALLOC': 4, 'IOMMU_HWPT_ALLOC/NONE': 1,
                  'IOMMU_HWPT_ALLOC/ARM_SMMUV3': 2, 'IOMMU_GET_HW_INFO': 2,
                  'IOMMU_GET_HW_INFO/NONE': 0, 'IOMMU_GET_HW_INFO/TEGRA241_CMDQV': 1,
                  'VFIO_DEVICE_FEATURE': 2, 'VFIO_DEVICE_FEATURE/DMA_BUF': 1,
                  'VFIO_DEVICE_FEATURE/PCI_VF_TOKEN': 1, 'VFIO_IOMMU_DIRTY_PAGES': 0}
        self.assertEqual({name: self.calls[name] for name in wanted}, wanted)
        self.assertEqual(self.calls.total('*HWPT_ALLOC', 'IOMMU_HWPT_ALLOC/*'), 4)

    def test_the_class_decides(self):
        self.results(Rules(), 'request_112:0', 'request_112:1', 'request_112:1', 'dirty_pages')
        self.assertEqual(self.calls['VFIO_IOMMU_GET_INFO'], 1)
        self.assertEqual(self.calls['VFIO_DEVICE_GET_PCI_HOT_RESET_INFO'], 2)
        self.assertEqual(self.calls['VFIO_IOMMU_DIRTY_PAGES'], 1)
        self.assertEqual(self.calls.total('VFIO_DEVICE_FEATURE*', 'VFIO_DEVICE_FEATURE/*'), 0)

    def test_reads_and_maps(self):
        lines = self.run_steps(Rules(), 'mmap:0', 'mmap:1', 'mmap:1', 'config:7:0:4',
                               'alloc_events:1', 'read:120', 'read:120')
        self.assertEqual([line.result for line in lines], [0, 0, 0, 4, 0, 120, 0])
        wanted = {'mmap:iommufd': 1, 'mmap:vfio-device': 2, 'pread:vfio-device': 1,
                  'read:veventq': 2, 'read:fault': 0}
        self.assertEqual({name: self.calls[name] for name in wanted}, wanted)

    def test_faults(self):
        self.assertEqual(self.results(Rules(), 'alloc_faults', 'read:24'), [0, 24])
        self.assertEqual((self.calls['read:fault'], self.calls['read:veventq']), (1, 0))

    def test_other_paths_of_devices(self):
        for link in '/dev/%s', '/%s', '/dev/%s (deleted)':
            with self.subTest(link):
                self.setUp()
                process = self.start(Rules().count(self.counters), 'hwpt:2', 'request_112:0',
                                     'request_112:1', KERNEL_LINK=link)
                self.assertEqual(process.returncode, 0)
                called = Calls(self.counters.read_bytes()).called()
                self.assertEqual(called, {
                    'IOMMU_HWPT_ALLOC': 1, 'IOMMU_HWPT_ALLOC/ARM_SMMUV3': 1,
                    'VFIO_IOMMU_GET_INFO': 1, 'VFIO_DEVICE_GET_PCI_HOT_RESET_INFO': 1,
                    'KVM_CREATE_VM': 1, 'KVM_CREATE_VCPU': 1})

    def test_a_number_that_is_used_again(self):
        self.results(Rules(), 'reuse:0', 'reuse:1', 'reuse:3', 'reuse:2')
        self.assertEqual(self.calls['VFIO_IOMMU_GET_INFO'], 4)
        self.assertEqual(self.calls['VFIO_DEVICE_GET_PCI_HOT_RESET_INFO'], 3)
        self.assertEqual(self.calls['IOMMU_HWPT_ALLOC/NONE'], 1)

    def test_a_number_that_was_read_from(self):
        self.assertEqual(self.results(Rules(), 'reuse_read'), [1])
        self.assertEqual(self.calls['read:veventq'], 1)

    def test_processes_add_to_the_file(self):
        self.results(Rules(), 'invalidate:1')
        before = self.calls
        self.results(Rules().drop('IOMMU_HWPT_INVALIDATE'), 'invalidate:2', 'invalidate:2')
        self.assertEqual(self.calls['IOMMU_HWPT_INVALIDATE'], 3)
        self.assertEqual((self.calls - before).items('IOMMU_HWPT_INVALIDATE'), 4)
        self.assertEqual((self.calls - before).hits(1), 2)
        self.assertRaises(KeyError, before.hits, 1)

    def test_two_processes_at_a_time(self):
        config = Rules().count(self.counters)
        process = self.start(config, 'hwpt:2', under=['timeout', '10'])
        self.assertEqual(process.returncode, 0)
        self.assertEqual(Calls(self.counters.read_bytes())['IOMMU_HWPT_ALLOC'], 1)

    def test_names_without_a_counter(self):
        self.results(Rules().drop('KVM_RUN'), 'unknown')
        with self.assertRaisesRegex(KeyError, 'IOMMU_HWPT_INVALIDATE'):
            self.calls['IOMMU_HWPT_INVALID']  # pylint: disable=pointless-statement
        for name in ('rule:1', 'VFIO_EEH_PE_OP', ''):
            self.assertRaises(KeyError, self.calls.failed, name)
        self.assertRaises(KeyError, self.calls.total, 'IOMMU_IOAS_MAP', 'IOMMU_NO_*')
        self.assertRaises(KeyError, self.calls.hits, 2)
        self.assertRaises(KeyError, self.calls.hits, 0)
        self.assertEqual(self.calls.hits(1), 0)

    def test_what_is_no_file_of_counters(self):
        self.results(Rules(), 'unknown')
        data = self.counters.read_bytes()
        for wrong in (b'', data[:-1], data + data[:96], b'x' + data[1:],
                      data[:8] + b'\2' + data[9:]):
            self.assertRaises(ValueError, Calls, wrong)


class TestSelection(Case):
    """first, every, times and where say which of the calls a rule is for."""

    def failures(self, steps, **selection):
        rules = Rules().fail('IOMMU_HWPT_INVALIDATE', 'EIO', **selection)
        results = self.results(rules, *steps)
        self.assertEqual(self.calls.hits(1), results.count('EIO'))
        self.assertEqual(self.calls.failed('IOMMU_HWPT_INVALIDATE'), results.count('EIO'))
        self.assertEqual(self.calls.altered('IOMMU_HWPT_INVALIDATE'), results.count('EIO'))
        self.assertEqual(len([line for line in self.kernel if line.startswith('invalidate')]),
                         results.count(0))
        return [number for number, result in enumerate(results, 1) if result == 'EIO']

    def test_selection(self):
        steps = ['invalidate:1'] * 10
        self.assertEqual(self.failures(steps), list(range(1, 11)))
        for selection, wanted in (({'first': 4}, [4, 5, 6, 7, 8, 9, 10]), ({'every': 3}, [3, 6, 9]),
                                  ({'times': 2}, [1, 2]), ({'every': 2, 'times': 3}, [2, 4, 6]),
                                  ({'first': 3, 'every': 4}, [6, 10]), ({'first': 11}, [])):
            with self.subTest(**selection):
                self.setUp()
                self.assertEqual(self.failures(steps, **selection), wanted)
                self.assertEqual(self.calls.met(1), 10)

    def test_where(self):
        steps = ['invalidate:1', 'invalidate:2', 'invalidate:3', 'invalidate:6']
        # entry_num is at 24
        self.assertEqual(self.failures(steps, where=Field(24, 4, 2)), [2])
        self.setUp()
        self.assertEqual(self.failures(steps, where=Field(24, 4, 2, 2), first=2), [3, 4])
        self.assertEqual(self.calls.met(1), 3)
        self.setUp()
        self.assertEqual(self.failures(steps, where=[Field(24, 4, 2, 2), Field(24, 1, 4, 4)]), [4])
        self.setUp()
        # the structure has 32 bytes
        self.assertEqual(self.failures(steps, where=Field(29, 4, 0, 1)), [])

    def test_threads(self):
        for times, wanted in (None, 20000), (600, 600):
            with self.subTest(times=times):
                self.setUp()
                rules = Rules().fail('KVM_RUN', 'EFAULT', every=10, times=times)
                line, = self.run_steps(rules, 'run:4:50000')
                self.assertEqual(self.calls['KVM_RUN'], 200000)
                self.assertEqual((self.calls.failed('KVM_RUN'), line['failed']), (wanted, wanted))
                self.assertEqual((self.calls.met(1), self.calls.hits(1)), (200000, wanted))


if __name__ == '__main__':
    report.main()
