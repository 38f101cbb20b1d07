# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a scenario with gdb on the kernel of L1 or L2, stopped at its first instruction."""

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time

from . import parts
from .host import PORTS
from .parts import LabError
from .runner import Lock, reason, title

ARCHITECTURES = {'arm64': 'aarch64', 'x86': 'i386:x86-64'}


def find_gdb():
    """A gdb for all architectures"""
    for name in ('gdb-multiarch', 'gdb'):
        if shutil.which(name):
            return name
    raise LabError('there is no gdb-multiarch', "run 'apt install gdb-multiarch'")


def symbols(test, level):
    """The kernel with symbols, if it was built with DEBUG=1"""
    path = parts.BUILD / 'kernel' / test.kernel_of(level) / 'vmlinux'
    if not path.exists():
        print(f'note: {path} is not there: no symbols. Run: '
              f'make kernel KERNEL={test.kernel_of(level)} DEBUG=1', file=sys.stderr)
        return []
    scripts = path.parent / 'vmlinux-gdb.py'
    return [str(path)] + (['-ex', f'source {scripts}'] if scripts.exists() else [])


def debugged(cls, level):
    """@cls, without limits of time, and with @level stopped until gdb lets it go"""
    class Debugged(cls):
        """See its base"""
        timeout = 24 * 3600
        l2_timeout = 24 * 3600
        boot_timeout = 24 * 3600

        def make_host(self):
            host = super().make_host()
            if level == 'l1':
                host.extra_l0 += ['-S', '-gdb', f'unix:{host.port("stub")},server=on,wait=off']
            return host

        def guest_args(self, append=None, devices=None):
            args = super().guest_args(append, devices)
            return args + ['-S', '-gdb', f'pipe:{PORTS}/lab.debug'] if level == 'l2' else args

    Debugged.__doc__ = cls.__doc__
    Debugged.scenario = cls.scenario
    return Debugged


def until(test, condition):
    """Waits for @condition, as long as the run goes on."""
    while not condition():
        if not test.thread.is_alive():
            raise LabError(test.failure or 'the run has ended', f'the logs are in {test.out}')
        time.sleep(0.2)


def stub(test, level):
    """The socket of the stub, once it answers"""
    if level == 'l1':
        until(test, lambda: test.host and test.host.port('stub').exists())
        return test.host.port('stub')
    until(test, lambda: test.guest and test.guest.job)
    return test.host.port('debug')


def run_gdb(cls, level):
    """Boots a scenario with gdb in the foreground; the run goes on to its end behind it."""
    gdb = find_gdb()
    if level == 'l2' and not cls.guest_test:
        raise LabError(f'{cls.scenario} has no L2', 'GDB=l1 stops its host')
    with Lock(cls.scenario):
        test = debugged(cls, level)('test')
        test.failure = None
        print(f'{cls.scenario}: {title(cls)}\n{level} is stopped at its first instruction; '
              "'continue' lets it go, the end of gdb ends the run.", file=sys.stderr)
        test.setUp()

        def run():
            try:
                test.test()
            except Exception as error:  # pylint: disable=broad-except
                test.failure = reason(error)

        test.thread = threading.Thread(target=run, daemon=True)
        test.thread.start()
        try:
            command = [gdb, '-q', '-ex', f'set architecture {ARCHITECTURES[test.arch.name]}',
                       *symbols(test, level), '-ex', 'set remotetimeout 60',
                       '-ex', f'target remote {stub(test, level)}',
                       *shlex.split(os.environ.get('LAB_GDB_ARGS', ''))]
            return subprocess.run(command, check=False).returncode
        finally:
            test.tearDown()
