#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI tables that the tests expect can be read: by iasl, without an error or a warning."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report

REPO = Path(__file__).resolve().parent.parent.parent
TABLES = REPO / 'tests/data/acpi'


class AcpiTest(unittest.TestCase):
    """scripts/acpi-tables check, and that it can fail."""

    def check(self, repo):
        return subprocess.run([repo / 'scripts/acpi-tables', 'check'], capture_output=True,
                              text=True, check=False)

    def test_expected_tables_disassemble(self):
        done = self.check(REPO)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_broken_table_is_noticed(self):
        top = Path(tempfile.mkdtemp(prefix='acpi-test-'))
        self.addCleanup(shutil.rmtree, top)
        (top / 'build').mkdir()
        (top / 'build/base-packages').symlink_to((REPO / 'build/base-packages').resolve())
        for name in 'acpi-tables', 'iasl', 'lib.sh', 'qtests.py':
            (top / 'scripts').mkdir(exist_ok=True)
            shutil.copy(REPO / 'scripts' / name, top / 'scripts')
        for path in sorted(TABLES.rglob('IORT*')):
            there = top / path.relative_to(REPO)
            there.parent.mkdir(parents=True, exist_ok=True)
            table = bytearray(path.read_bytes())
            table[48] = 0x7f        # the type of the first node
            there.write_bytes(table)
        done = self.check(top)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)


if __name__ == '__main__':
    report.main()
