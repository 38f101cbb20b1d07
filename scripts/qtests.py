#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the qtests of the overlay and those of base/qtests in build/obj/native.

  qtests.py targets     print what ninja has to build for them
  qtests.py run         run them, as many at once as there are processors
  qtests.py run TEST[/CASE]   run this one, whether it is among them or not; CASE is a part of paths
"""

import difflib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
OBJ = REPO / 'build/obj/native'
LOGS = REPO / 'build/log/qtest'
# A glib test case that found nothing wrong, or did not run
POINT = re.compile(r'^(ok|not ok) \d+ (\S+)(.*)$', re.M)


def known_tests():
    """(target, test) -> meson's own description of how to run it"""
    out = subprocess.run([OBJ / 'pyvenv/bin/meson', 'introspect', '--tests', OBJ],
                         check=True, capture_output=True, text=True).stdout
    tests = {}
    for test in json.loads(out):
        match = re.search(r'qtest-(\w+)/(\S+)$', test['name'])
        if match:
            tests[match.groups()] = test
    return tests


def wanted_tests(known):
    """[(target, test, parts of paths)], and the overlay's tests that meson lacks."""
    wanted, missing = [], []
    for line in (REPO / 'series').read_text().splitlines():
        for path in line.split() if not line.startswith('#') else []:
            match = re.fullmatch(r'tests/qtest/([\w-]+-test)\.c', path)
            if not match:
                continue
            found = [(target, test, []) for target, test in known if test == match[1]]
            if not found and (OBJ / f'tests/qtest/qos-test.p/{match[1]}.c.o').exists():
                continue        # a part of qos-test
            wanted += found
            if not found:
                missing.append(path)
    for line in (REPO / 'base/qtests').read_text().splitlines():
        words = line.split('#')[0].split()
        if words:
            wanted.append((words[0], words[1], words[2:]))
    return wanted, missing


def one_test(known, name):
    """What to run for TEST or TEST/CASE; a name that there is not ends the program."""
    test, _, case = name.partition('/')
    found = [(target, name, [case] if case else []) for target, name in known if name == test]
    if not found:
        near = difflib.get_close_matches(test, {name for _, name in known}, 5, 0.4)
        sys.exit(f'error: there is no test {test}\n  like that: {" ".join(near) or "none"}')
    return found


def placed_by_firmware(actual, expected):
    """Do two ACPI tables differ only in the memory that firmware found for NVDIMM's _DSM? The
    expected ones are of another firmware build than Debian's."""
    tables = []
    for name in actual, expected:
        table = bytearray((OBJ / name).read_bytes())
        place = table.find(b'\x08MEMA\x0c')
        if place < 0:
            return False
        table[place + 6:place + 10] = bytes(4)
        table[9] = 0        # the checksum
        tables.append(table)
    return tables[0] == tables[1]


class Runner:
    """Runs tests and counts their results."""

    def __init__(self, known):
        self.known = known
        self.lock = threading.Lock()
        self.counts = {'passed': 0, 'failed': 0, 'skipped': 0}
        self.running = set()
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, self.stop)

    def stop(self, number, _frame):
        for process in list(self.running):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os._exit(128 + number)

    def call(self, command, env, timeout):
        process = subprocess.Popen(command, cwd=OBJ, env=env, text=True, errors='replace',
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        self.running.add(process)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            out += f'\nnot ended after {timeout} s\n'
        self.running.discard(process)
        return out, process.returncode

    def run(self, item):
        target, test, parts = item
        name = f'qtest-{target}/{test}'
        how = self.known.get((target, test))
        if not how:
            return self.report(name, 'FAIL', 0, ['it is not in the meson.build of tests/qtest'])
        env = dict(os.environ, **how['env'])
        command = list(how['cmd'])
        if parts:
            listing, _ = self.call([command[0], '-l'], env, 60)
            for path in listing.splitlines():
                if path.startswith('/') and any(part in path for part in parts):
                    command += ['-p', path]
            if '-p' not in command:
                return self.report(name, 'SKIP', 0, ['no test of it is about ' + ', '.join(parts)])
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix='qtest-') as env['TMPDIR']:
            out, code = self.call(command, env, 3 * how['timeout'])
            if test == 'bios-tables-test':
                out, code = self.resume(command, env, 3 * how['timeout'], out, code)
        (LOGS / f'{target}-{test}.log').write_text(out)
        points = POINT.findall(out)
        skipped = sum('# SKIP' in rest for _, _, rest in points)
        failed = [path for word, path, _ in points if word == 'not ok']
        passed = len(points) - skipped - len(failed)
        why = [f'{path} failed' for path in failed]
        if code and not failed or not points and not re.search(r'^1\.\.0', out, re.M):
            why.append(f'it ended with {code}: ' + ' | '.join(out.strip().splitlines()[-3:]))
        if why:
            why.append(f'the log: build/log/qtest/{target}-{test}.log')
        with self.lock:
            self.counts['passed'] += passed
            self.counts['skipped'] += skipped
            self.counts['failed'] += len(failed) or bool(why)
        word = 'FAIL' if why else 'PASS' if passed else 'SKIP'
        text = f'{passed} passed' + (f', {skipped} skipped' if skipped else '')
        return self.report(name, word, time.monotonic() - began, why, text)

    def resume(self, command, env, timeout, out, code):
        """bios-tables-test ends at the first table that differs. If all that differs is where
        the firmware placed something, that is no fault; in any case go on with the rest."""
        listing, _ = self.call([command[0], '-l'], env, 60)
        paths = [path for path in listing.splitlines() if path.startswith('/')]
        while code:
            done = {path for _, path, _ in POINT.findall(out)}
            rest = [path for path in paths if path not in done]
            differ = re.findall(r'binary file mismatch. Actual \[aml:(.+?)\], '
                                r'Expected \[aml:(.+?)\]', out.rpartition('# starting QEMU')[2])
            if not rest:
                break
            good = differ and all(placed_by_firmware(*pair) for pair in differ)
            word = 'ok' if good else 'not ok'
            out += f'\n{word} 0 {rest[0]}\n'
            skip = [arg for path in [*done, rest[0]] for arg in ('-s', path)]
            more, code = self.call([*command, *skip], env, timeout)
            out += re.sub(r'^ok .* # SKIP by request.*$', '', more, flags=re.M)
        return out, code

    def report(self, name, word, seconds, why, text=''):
        with self.lock:
            if not text:
                self.counts[{'FAIL': 'failed', 'SKIP': 'skipped'}[word]] += 1
            print(f'{word} {name}{": " + text if text else ""} ({seconds:.0f} s)', flush=True)
            for line in why:
                print(f'     {line[:300]}', flush=True)


def without_kvm():
    """Go on in a mount namespace where /dev/kvm can't be used: with KVM, x86 tests depend
    on the machine (a nested one may lack SMM, for instance), and with TCG they don't."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK) or 'QTESTS_NAMESPACE' in os.environ:
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / 'kvm').touch()
    # A read-only file: not even root can open it for writing.
    space = ['unshare', '--map-root-user', '--mount', 'sh', '-c',
             'mount --bind "$0" /dev/kvm && mount -o remount,bind,ro /dev/kvm && exec "$@"',
             str(LOGS / 'kvm')]
    if subprocess.run([*space, 'true'], check=False, stderr=subprocess.DEVNULL).returncode:
        print('note: there is no permission to hide /dev/kvm: x86 tests run with it')
        return
    os.environ['QTESTS_NAMESPACE'] = '1'
    os.execvp(space[0], [*space, *sys.orig_argv])


def main():
    known = known_tests()
    wanted, missing = wanted_tests(known)
    if sys.argv[1:] == ['targets']:
        names = {f'tests/qtest/{test}' for target, test, _ in wanted if (target, test) in known}
        print('\n'.join(sorted(names | {'qemu-img', 'qemu-system-aarch64', 'qemu-system-x86_64'})))
        return
    without_kvm()
    LOGS.mkdir(parents=True, exist_ok=True)
    for stale in (OBJ / 'tests').glob('acpi-test-disk-*'):
        stale.unlink()
    runner = Runner(known)
    if sys.argv[2:]:
        wanted, missing = one_test(known, sys.argv[2]), []
    for path in missing:
        runner.report(path, 'FAIL', 0, ['it is not in the meson.build of tests/qtest'])
    # The longest first, so that no processor is idle at the end.
    wanted.sort(key=lambda item: -known.get(item[:2], {'timeout': 0})['timeout'])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(runner.run, wanted))
    print('counts: {passed} {failed} {skipped}'.format(**runner.counts))
    sys.exit(runner.counts['failed'] > 0)


if __name__ == '__main__':
    main()
