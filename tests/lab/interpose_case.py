# SPDX-License-Identifier: GPL-2.0-or-later
"""How the tests of the interposer start a process with it.

No device is needed: behind the interposer is another library, which takes the part of the kernel.
It notes the calls that reach it.
"""

import functools
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from qemu_lab.interpose import Calls, Rules

REPO = Path(__file__).resolve().parent.parent.parent
HERE = REPO / 'tests/lab'
SHIM = REPO / 'lab/shim'
UAPI = REPO / 'build/uapi'
# Removed when the interpreter ends
FOLDER = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with


@functools.cache
def build():
    """Where the library, its kernel and its victim are, compiled for this machine."""
    folder = Path(FOLDER.name)
    if not shutil.which('gcc'):
        raise unittest.SkipTest('gcc is not installed')
    if not UAPI.is_dir():
        subprocess.run([REPO / 'scripts/fetch', 'headers'], check=True, stdout=subprocess.DEVNULL)
    triplet = subprocess.run(['gcc', '-dumpmachine'], check=True, stdout=subprocess.PIPE,
                             text=True).stdout.strip()
    uapi = ['-isystem', UAPI / triplet, '-isystem', UAPI]
    with open(folder / 'ioctl-names.h', 'w', encoding='ascii') as header:
        subprocess.run([SHIM / 'ioctl-names', 'gcc', *uapi], check=True, stdout=header)
    gcc = ['gcc', '-O2', '-Wall', '-Werror', '-pthread', *uapi, '-I', folder]
    for name, sources, options in (
            ('interpose.so', sorted(SHIM.glob('interpose*.c')),
             ['-Wextra', '-shared', '-fPIC']),
            ('kernel.so', [HERE / 'interpose-kernel.c'], ['-shared', '-fPIC']),
            ('victim', [HERE / 'interpose-victim.c'], ['-D_FORTIFY_SOURCE=2'])):
        subprocess.run([*gcc, *options, *sources, '-o', folder / name], check=True)
    return folder


class Line(dict):
    """What the process says of a call: numbers, and the name of an errno."""

    def __init__(self, text):
        self.name, *words = text.split()
        super().__init__(word.split('=') for word in words)

    def __getitem__(self, key):
        text = super().__getitem__(key)
        return text if key in ('errno', 'data') else int(text, 0)

    @property
    def data(self):
        return bytes.fromhex(self['data'])

    @property
    def result(self):
        return self['errno'] if self['ret'] < 0 else self['ret']


class Case(unittest.TestCase):
    """Starts a process with the library, if @config is not None, and the kernel behind it."""

    def setUp(self):
        self.tmp = build()
        self.counters = self.tmp / 'counters'
        self.log = self.tmp / 'log'
        self.kernel, self.calls = [], None
        for path in (self.counters, self.log):
            path.unlink(missing_ok=True)

    def start(self, config, *steps, under=(), **more):
        environment = dict(os.environ, LD_PRELOAD=f'{self.tmp}/interpose.so {self.tmp}/kernel.so',
                           KERNEL_LOG=str(self.log), **more)
        environment.pop('INTERPOSE', None)
        if config is not None:
            (self.tmp / 'config').write_text(str(config))
            environment['INTERPOSE'] = str(self.tmp / 'config')
        return subprocess.run([*under, self.tmp / 'victim', *steps], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=20)

    def run_steps(self, rules, *steps):
        """The lines of the steps; self.calls are the counters, self.kernel what has arrived."""
        if isinstance(rules, Rules) and not rules.path:
            rules.count(self.counters)
        process = self.start(rules, *steps)
        self.assertEqual((process.returncode, process.stderr), (0, ''))
        self.kernel = self.log.read_text().splitlines() if self.log.exists() else []
        self.calls = Calls(self.counters.read_bytes()) if self.counters.exists() else None
        lines = [Line(text) for text in process.stdout.splitlines()]
        self.assertEqual([line.name for line in lines], [step.split(':')[0] for step in steps])
        return lines

    def results(self, rules, *steps):
        return [line.result for line in self.run_steps(rules, *steps)]
