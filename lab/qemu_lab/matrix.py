# SPDX-License-Identifier: GPL-2.0-or-later
"""Main scenarios with every kernel, page size and firmware of the guest: make matrix."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from . import parts
from .parts import BUILD, LAB, LabError

KERNELS = ('6.12', '7.2', '7.3', 'stock')
PAGES = ('4K', '64K')
FIRMWARE = ('acpi', 'dt')
SCENARIOS = {'arm64': ('arm64/accel', 'arm64/cmdqv'), 'x86': ('x86/amd-nvme',)}


def kernel_name(arch, version, pages):
    """A name of base/linux-kernels: 7.3 is the lab's own."""
    name = {'arm64': 'arm64', 'x86': 'x86_64'}[arch]
    if version != '7.3':
        name += f'-{version}'
    return name + ('-64k' if pages == '64K' else '')


def known_kernels():
    """The names of base/linux-kernels"""
    text = (parts.REPO / 'base' / 'linux-kernels').read_text(encoding='utf-8')
    return set(re.findall(r'^([\w.-]+)\s+\w+\s+\S+', text, re.M))


@dataclass
class Cell:
    """One run. The host's kernel is 7.3, with the page size of the column 'host'."""
    scenario: str
    host: str
    guest: str
    firmware: str
    outcome: str = '-'

    @property
    def environment(self):
        """For lab/run"""
        return {'LAB_L1_KERNEL': self.host, 'LAB_L2_KERNEL': self.guest,
                **({'LAB_L2_FIRMWARE': self.firmware} if self.firmware else {})}

    def run(self, logs):
        """Runs the scenario: outcome is PASS or FAIL, and the seconds it took."""
        log = logs / ('-'.join([self.scenario.replace('/', '-'), self.host, self.guest,
                                self.firmware or 'bios']) + '.log')
        began = time.monotonic()
        with open(log, 'wb') as out:
            done = subprocess.run([str(LAB / 'run'), self.scenario], stdout=out, check=False,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                                  env=dict(os.environ, **self.environment))
        self.outcome = 'FAIL' if done.returncode else 'PASS'
        print(f'{self.outcome} {self.scenario} host {self.host} guest {self.guest} '
              f'{self.firmware} ({time.monotonic() - began:.0f} s)', flush=True)
        if done.returncode:
            print(f'     {os.path.relpath(log)}', flush=True)


def cells():
    """All runs for which there are kernels"""
    known = known_kernels()
    for arch, names in SCENARIOS.items():
        pages = PAGES if arch == 'arm64' else PAGES[:1]
        for scenario in names:
            for host_pages in pages:
                for version in KERNELS:
                    for guest_pages in pages:
                        guest = kernel_name(arch, version, guest_pages)
                        for firmware in FIRMWARE if arch == 'arm64' else ('',):
                            if guest in known:
                                yield Cell(scenario, kernel_name(arch, '7.3', host_pages), guest,
                                           firmware)


def kernels(patterns=()):
    """The kernels that the runs need"""
    return sorted({name for cell in chosen(patterns) for name in (cell.host, cell.guest)})


def chosen(patterns):
    """The cells whose scenario, host or guest is among @patterns; all without patterns"""
    found = [cell for cell in cells()
             if all(pattern in (cell.scenario, cell.host, cell.guest, cell.firmware)
                    for pattern in patterns)]
    if not found:
        raise LabError(f"the matrix has nothing for {' '.join(patterns)}",
                       'scenarios: ' + ' '.join(n for s in SCENARIOS.values() for n in s)
                       + '; kernels: ' + ' '.join(sorted(known_kernels())))
    return found


def table(runs):
    """Rows: host and guest; columns: scenario and firmware"""
    columns = list(dict.fromkeys((cell.scenario, cell.firmware) for cell in runs))
    rows = list(dict.fromkeys((cell.host, cell.guest) for cell in runs))
    outcome = {(cell.host, cell.guest, cell.scenario, cell.firmware): cell.outcome
               for cell in runs}
    heads = [f'{scenario} {firmware}'.strip() for scenario, firmware in columns]
    lines = ['  '.join([f'{"host":<12}', f'{"guest":<16}', *heads])]
    for host, guest in rows:
        lines.append('  '.join([f'{host:<12}', f'{guest:<16}', *(
            f'{outcome.get((host, guest, *column), "-"):<{len(head)}}'
            for column, head in zip(columns, heads))]))
    return '\n'.join(line.rstrip() for line in lines)


def run_matrix(patterns):
    """Runs the cells, prints the table: 0 if all pass."""
    logs = BUILD / 'log' / 'matrix'
    logs.mkdir(parents=True, exist_ok=True)
    runs = chosen(patterns)
    for number, cell in enumerate(runs, 1):
        print(f'[{number}/{len(runs)}] ', end='')
        sys.stdout.flush()
        cell.run(logs)
    print('\n' + table(runs))
    failed = sum(cell.outcome != 'PASS' for cell in runs)
    print(f'\n{len(runs) - failed} of {len(runs)} passed')
    return 1 if failed else 0
