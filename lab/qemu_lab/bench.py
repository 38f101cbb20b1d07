# SPDX-License-Identifier: GPL-2.0-or-later
"""
What "make bench" runs: O_DIRECT reads of an assigned NVMe device in L2, with our QEMU and with a
later one of a distribution, in turns in the same L1 and with the same guest.

BENCH_CLOCK=instructions: L1's clock counts the instructions that its processors execute, in place
of the real one. That explains times, and does not decide on them: traps, page walks and the device
cost next to nothing there. BENCH_COUNT: reads in a row, of whose times the median counts;
BENCH_RUNS: how often that is done, of which the best counts, as other load only adds to it.
BENCH_LIMITS=1: a ratio that is too large fails the run.
"""

import os
from dataclasses import dataclass

from . import images, parts
from .testcase import LabTest
from .interpose import Rules

PEER = ('/peer/lib/ld.so', '--library-path', '/peer/lib', '/peer/qemu', '-L', '/peer/share')


@dataclass(frozen=True)
class Case:
    """
    What is compared.

    @append: L2's kernel parameters for it; @option: for the scenario's l2_devices_of()
    @limits: {size: ratio} of the times, ours by the peer's, that BENCH_LIMITS=1 allows
    """
    name: str
    append: tuple
    option: str = ''
    group_type: str = 'DMA'
    limits: tuple = ()


@dataclass
class Measured:
    """One boot: nanoseconds and host calls by size"""
    times: dict
    calls: dict
    group_type: str


class BenchTest(LabTest):
    """Reads in L2 by two QEMUs"""

    in_check = False
    guest_test = 'nvme-bench'
    guest_tools = ('dmabench',)
    timeout = 1800
    clock = os.environ.get('BENCH_CLOCK') or 'wall'
    count = int(os.environ.get('BENCH_COUNT') or os.environ.get('BENCH_READS') or 300)
    runs = int(os.environ.get('BENCH_RUNS') or 3)
    limited = bool(os.environ.get('BENCH_LIMITS'))
    sizes = (131072,)
    cases = ()
    #: a directory below build/, which scripts/private makes, and files there for -L
    peer = 'peer'
    peer_share = ()

    def l0_machine(self):
        args = super().l0_machine()
        if self.clock == 'instructions':
            args[args.index('tcg,thread=multi')] = 'tcg,thread=single'
            args += ['-icount', 'shift=3']
        return args

    def fill_root(self, root):
        peer = parts.need(os.environ.get('LAB_PEER') or parts.BUILD / self.peer, "run 'make bench'")
        images.put_peer(self.arch, peer, peer / 'usr' / 'bin' / self.arch.qemu,
                        [peer / name for name in self.peer_share], root.stage)

    @property
    def parameters(self):
        """For nvme-bench"""
        return {'count': self.count, 'sizes': ','.join(map(str, self.sizes))}

    def l2_devices_of(self, case):
        """L2's arguments for devices"""
        return self.l2_devices()

    def calls_of(self, calls):
        """Which host calls of an interposer's counters are of interest: a number"""
        raise NotImplementedError

    def test(self):
        self.prepare()
        self.boot()
        self.l1.add('peer', self.host.run(' '.join(PEER) + ' --version').splitlines()[0])
        self.measured = {}
        for number in range(self.runs):
            for case in self.cases:
                for qemu in ('ours', 'peer'):
                    self.measured.setdefault((case.name, qemu), []).append(
                        self.measure(case, qemu, number))
        self.finish()
        self.check()

    def measure(self, case, qemu, number):
        """One boot of L2"""
        name = f'{case.name}-{qemu}-{number}'
        # LabTest.new_guest is for L1's own QEMU
        self.host.put(f'/tmp/{name}.rules', str(Rules().count(f'/tmp/logs/{name}.calls')))
        args = self.guest_args([*self.l2_append(), *case.append], self.l2_devices_of(case))
        guest = self.guest = self.host.new_guest(
            args, name, seconds=self.l2_timeout, program=PEER if qemu == 'peer' else None,
            env={'LD_PRELOAD': '/lib/interpose.so', 'INTERPOSE': f'/tmp/{name}.rules'})
        guest.start()
        calls = {}
        for size in self.sizes:
            before = guest.mark(size)
            calls[size] = guest.mark(f'{size}-done') - before
        results = guest.wait()
        times = {size: int(results[f'time_{size}'].split()[0]) for size in self.sizes}
        return Measured(times, calls, results['group_type'])

    # --- results

    def time(self, case, qemu, size):
        """The best median, in nanoseconds"""
        return min(one.times[size] for one in self.measured[case.name, qemu])

    def per_read(self, case, qemu, size):
        """Host calls for a read"""
        return min(self.calls_of(one.calls[size])
                   for one in self.measured[case.name, qemu]) / self.count

    def ratio(self, case, size):
        """Our time by the peer's"""
        return self.time(case, 'ours', size) / self.time(case, 'peer', size)

    def check(self):
        for case in self.cases:
            for qemu in ('ours', 'peer'):
                for one in self.measured[case.name, qemu]:
                    self.expect_equal(one.group_type, case.group_type, f'{case.name}: group type')
            for size, limit in case.limits if self.limited else ():
                self.expect(self.ratio(case, size) <= limit,
                            f"{case.name}: {self.ratio(case, size):.2f} of the peer's time for "
                            f'{size} bytes, and the limit is {limit}')

    def table(self):
        self.row('the peer', self.l1.get('peer', '?'))
        self.row('reads', f'{self.count} of each size, one after the other; the best of '
                 f'{self.runs} medians')
        self.row('clock', self.clock)
        print(f'\n  {"mode":<22} {"bytes":>8} {"ours (us)":>12} {"peer (us)":>12} {"ratio":>7} '
              f'{"calls/read, ours":>17} {"calls/read, peer":>17}')
        for case in self.cases:
            for size in self.sizes:
                print(f'  {case.name:<22} {size:>8} {self.time(case, "ours", size) // 1000:>12} '
                      f'{self.time(case, "peer", size) // 1000:>12} '
                      f'{self.ratio(case, size):>7.2f} '
                      f'{self.per_read(case, "ours", size):>17.2f} '
                      f'{self.per_read(case, "peer", size):>17.2f}')
        print()
