# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the lab: finds scenarios, runs them, prints their tables."""

import argparse
import fcntl
import fnmatch
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
import unittest

from . import parts
from .parts import LAB, LabError
from .testcase import LabTest


def subclasses(cls):
    """All classes that are derived from @cls"""
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def scenarios():
    """All scenarios by name, in the order of their files and of the classes in these"""
    for arch in parts.ARCHES:
        for path in sorted((LAB / arch).glob('*.py')):
            importlib.import_module(f'{arch}.{path.stem}')
    found = {}
    for cls in subclasses(LabTest):
        name = cls.__dict__.get('scenario')
        if name:
            assert found.setdefault(name, cls) is cls, f'two scenarios are named {name}'
    order = {name: number for number, name in enumerate(sorted(found))}
    return dict(sorted(found.items(), key=lambda item: order[item[0]]))


def chosen(patterns):
    """The scenarios whose names match; LabError with the names that there are."""
    known = scenarios()
    result = {}
    for pattern in patterns:
        names = fnmatch.filter(known, pattern)
        if not names:
            raise LabError(f"there is no scenario '{pattern}'", 'one of: ' + ' '.join(known))
        result.update((name, known[name]) for name in names)
    return result


def title(cls):
    """What a scenario is about, in one line"""
    return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


class Lock:
    """The same scenario may not run twice at once: its logs are in one place."""

    def __init__(self, name):
        out = parts.BUILD / 'lab' / name
        out.mkdir(parents=True, exist_ok=True)
        self._file = open(out / 'lock', 'w', encoding='utf-8')
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabError(f'{name} is running already', 'wait for it, or stop it') from None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self._file.close()


def reason(error):
    """The exception in one line; a traceback is for mistakes of the lab itself."""
    if isinstance(error, LabError):
        return str(error) + (f' ({error.remedy})' if error.remedy else '')
    if isinstance(error, AssertionError):
        return str(error)
    return ''.join(traceback.format_exception(error)).rstrip()


class OneRun(unittest.TestResult):
    """Keeps the exceptions of one test."""

    def __init__(self):
        super().__init__()
        self.exceptions = []

    def addError(self, test, err):
        super().addError(test, err)
        self.exceptions.append(err[1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.exceptions.append(err[1])


def run_test(test):
    """Runs a LabTest that was made: a list of what is wrong."""
    result = OneRun()
    test.run(result)
    return [reason(error) for error in result.exceptions] + getattr(test, 'problems', [])


def print_table(test):
    """The rows that a scenario has of its run"""
    print()
    row = '  {:<16} {}'.format
    print(row('scenario', f'{test.scenario}: {title(type(test))}'))
    if test.host:
        print(row('host (L1)', test.host.results.get('kernel', '?')))
    if test.guest_test and test.guest:
        print(row('guest (L2)', f'{test.guest.results.get("kernel", "?")}, booted by '
                  f'{test.guest.results.get("firmware", "?")}'))
    try:
        test.table()
    except Exception as error:  # pylint: disable=broad-except
        test.rows.append(('table', f'ends early: {error}'))
    for name, value in test.rows:
        print(row(name, value))
    print(row('time', f'{time.monotonic() - test.began:.0f} s'))


def show_failure(test, problems):
    """What is wrong, and the lines of the logs that say most"""
    print(f'\n{test.scenario} FAILED:')
    for problem in problems[:20]:
        print('  not so: ' + problem.replace('\n', '\n    '))
    for name in ('l0.log', 'l1.log', 'l2.log', 'l2.qemu.log', 'agent.log'):
        path = test.out / name
        if path.exists() and path.stat().st_size:
            shown = os.path.relpath(path)
            print(f'  {shown}:')
            lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
            for line in lines[-6:]:
                print('    ' + line[:220])


def run_one(name, cls, live=False):
    """Runs a scenario: True if it passes."""
    print(f'{name}: {title(cls)} (about {cls.expected_seconds} s)', flush=True)
    with Lock(name):
        test = cls('test')
        test.began = time.monotonic()
        if live:
            test.live = lambda line: print(line, flush=True)
        try:
            problems = run_test(test)
        except KeyboardInterrupt:
            test.tearDown()
            raise
    print_table(test)
    print('  {:<16} {}'.format('result', 'FAIL' if problems else 'PASS'))
    if problems:
        show_failure(test, problems)
    sys.stdout.flush()
    return not problems


def needs(cls):
    """What scripts/do has to make for a scenario, in its order"""
    kernels = [os.environ.get(f'LAB_{level.upper()}_KERNEL') or getattr(cls, f'{level}_kernel')
               for level in ('l1', 'l2')]
    return [f'native {cls.arch.qemu}', *(['arm64'] if cls.arch.name == 'arm64' else []),
            *(f'kernel {name}' for name in kernels if '/' not in name), *cls.needs]


class Schedule:
    """Runs scenarios as processes of their own, as many at once as there are processors for."""

    def __init__(self, tests):
        self.waiting = list(tests.items())
        self.running = {}
        self.free = max(os.cpu_count() or 1, 1)
        self.counts = [0, 0]
        self.logs = parts.BUILD / 'log' / 'check'
        self.logs.mkdir(parents=True, exist_ok=True)

    def weight(self, cls):
        """The processors that a scenario keeps busy"""
        return min(cls.processors, os.cpu_count() or 1)

    def start(self):
        """Starts what there is room for: the first that fits."""
        for entry in list(self.waiting):
            name, cls = entry
            if self.weight(cls) <= self.free:
                self.waiting.remove(entry)
                self.free -= self.weight(cls)
                log = open(self.logs / f'lab-{name.replace("/", "-")}.log', 'wb')
                process = subprocess.Popen([str(LAB / 'run'), name], stdout=log,
                                           stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
                self.running[process] = (name, cls, log, time.monotonic())

    def ended(self, process):
        """Prints what a scenario's process has come to."""
        name, cls, log, began = self.running.pop(process)
        self.free += self.weight(cls)
        log.close()
        good = process.returncode == 0
        self.counts[0 if good else 1] += 1
        print(f'{"PASS" if good else "FAIL"} {name} ({time.monotonic() - began:.0f} s)')
        with open(log.name, encoding='utf-8', errors='replace') as text:
            lines = text.read().splitlines()
        for line in lines if not good else [x for x in lines if x.startswith('  ')]:
            print('     ' + line.lstrip() if good else '     ' + line)
        sys.stdout.flush()

    def run(self):
        """All of them; the last line has the counts, for scripts/check."""
        try:
            while self.waiting or self.running:
                self.start()
                time.sleep(0.2)
                for process in [p for p in self.running if p.poll() is not None]:
                    self.ended(process)
        finally:
            for process in self.running:
                process.terminate()
            for process in self.running:
                process.wait()
        print(f'counts: {self.counts[0]} {self.counts[1]} 0')
        return self.counts[1] == 0


def interrupted(signum, _):
    """unittest lets this one exception through."""
    raise KeyboardInterrupt(128 + signum)


def main(argv):
    """lab/run"""
    parser = argparse.ArgumentParser(prog='lab/run', description='Run scenarios of the lab.')
    parser.add_argument('scenario', nargs='*', help="a name, or a pattern: 'arm64/cmdqv*'")
    parser.add_argument('--live', action='store_true', help="show L2's console as it comes")
    parser.add_argument('--list', action='store_true', help='the names of all scenarios')
    parser.add_argument('--check', action='store_true',
                        help="all scenarios of 'make check', several at once")
    parser.add_argument('--needs', action='store_true', help='what the scenarios are made of')
    parser.add_argument('--matrix', action='store_true',
                        help='main scenarios with all kernels of the guest; names choose of them')
    parser.add_argument('--shell', choices=('l1', 'l2'), metavar='LEVEL',
                        help='a shell in L1 (l1) or L2 (l2), with the device set up')
    parser.add_argument('--gdb', choices=('l1', 'l2'), metavar='LEVEL',
                        help='gdb, on the kernel of L1 (l1) or L2 (l2)')
    args = parser.parse_args(argv)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    try:
        if args.list:
            for name, cls in scenarios().items():
                if cls.in_check or not args.check:
                    print(name)
            return 0
        if args.matrix:
            # pylint: disable-next=import-outside-toplevel
            from .matrix import kernels, run_matrix
            if args.needs:
                print('\n'.join(f'kernel {name}' for name in kernels(args.scenario)))
                return 0
            return run_matrix(args.scenario)
        if args.check and not args.needs:
            tests = chosen(args.scenario or ['*'])
            return 0 if Schedule({name: cls for name, cls in tests.items()
                                  if cls.in_check}).run() else 1
        if args.check:
            args.scenario = [name for name, cls in scenarios().items() if cls.in_check]
        if not args.scenario:
            raise LabError('no scenario is named', 'one of: ' + ' '.join(scenarios()))
        tests = chosen(args.scenario)
        if args.needs:
            print('\n'.join(dict.fromkeys(line for cls in tests.values() for line in needs(cls))))
            return 0
        if args.shell:
            from .shell import run_shell  # pylint: disable=import-outside-toplevel
            return run_shell(list(tests.values())[0], args.shell)
        if args.gdb:
            from .debug import run_gdb  # pylint: disable=import-outside-toplevel
            return run_gdb(list(tests.values())[0], args.gdb)
        good = [run_one(name, cls, args.live) for name, cls in tests.items()]
        if len(good) > 1:
            print(f'\n{sum(good)} of {len(good)} scenarios passed')
        return 0 if all(good) else 1
    except KeyboardInterrupt as error:
        return error.args[0] if error.args else 130
    except LabError as error:
        print(f'error: {error}', file=sys.stderr)
        if error.remedy:
            print(f'  {error.remedy}', file=sys.stderr)
        return 1
