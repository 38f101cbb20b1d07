#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the repo says about itself is true: README's file map, MAINTAINERS, licences, style."""

import fnmatch
import os
import re
import subprocess
import unittest
from pathlib import Path

import report

REPO = Path(__file__).resolve().parent.parent.parent
TREE = REPO / 'build/tree'
# Warnings of checkpatch that are answered otherwise: MAINTAINERS is merged by a commit of its
# own, and test_maintainers_covers_the_overlay looks at the result; headers come from the
# kernel's package when the tree is made.
ANSWERED = ('does MAINTAINERS need updating?', 'are you using scripts/update-linux-headers.sh?',
            "Does new file 'tests/data/acpi/")
# and what it says of a mail that has binary files only
BINARY = 'Does not appear to be a unified-diff format patch'


def lines(path):
    return (REPO / path).read_text().splitlines()


def series():
    """[(patch, [overlay and @kernel: entries])]"""
    rows = [line.split() for line in lines('series') if line.strip() and line[0] != '#']
    return [(row[0], row[1:]) for row in rows]


def overlay():
    return [name for _, names in series() for name in names if name[0] != '@']


def touched():
    """Files of QEMU that the series changes."""
    found = set()
    for patch, names in series():
        found |= set(re.findall(r'^diff --git a/(\S+) b/', (REPO / patch).read_text(), re.M))
        found |= {name.replace('@kernel:', 'linux-headers/') for name in names
                  if name[0] == '@'}
    return found


def own_files():
    """Files of the repo: what git knows or would add."""
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=REPO,
                         check=True, capture_output=True, text=True).stdout
    return [name for name in out.splitlines() if (REPO / name).is_file()]


class ReadmeTest(unittest.TestCase):
    """The table of README whose first column is headed "QEMU file"."""

    def setUp(self):
        self.rows, inside = [], False
        for line in lines('README.md'):
            cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
            if not line.startswith('|'):
                inside = False
            elif cells[0].lower().startswith('qemu file'):
                inside = True
            elif inside and not set(cells[0]) <= set('-: '):
                self.rows.append((re.findall(r'`([^`]+)`', cells[0]),
                                  re.findall(r'`([^`]+)`', ' '.join(cells[1:]))))
        self.assertTrue(self.rows, 'README.md has no table headed | QEMU file | …')

    def test_every_touched_file_is_in_the_map(self):
        named = {path for first, _ in self.rows for path in first}
        self.assertEqual(touched() - named, set(), 'missing in the map of README.md')
        self.assertEqual(named - touched(), set(), 'in the map, but the series leaves it alone')

    def test_every_named_file_exists(self):
        for _, others in self.rows:
            for name in others:
                if '/' in name:
                    self.assertTrue(list(REPO.glob(name)), f'README.md names {name}')

    def test_every_overlay_file_of_code_is_in_the_map(self):
        named = [name for _, others in self.rows for name in others]
        for path in overlay():
            if path.endswith('.c') and not path.startswith('tests/'):
                self.assertTrue(any(fnmatch.fnmatch(path, name) for name in named),
                                f'README.md does not name {path}')


class FilesTest(unittest.TestCase):
    """Rules that hold for each file of ours."""

    def test_maintainers_covers_the_overlay(self):
        patterns = [line[2:].strip() for line in lines('MAINTAINERS') if line[:2] == 'F:']
        for path in overlay():
            with self.subTest(path):
                self.assertTrue(
                    any(path.startswith(p) if p.endswith('/') else fnmatch.fnmatch(path, p)
                        for p in patterns), f'no F: line of MAINTAINERS covers {path}')

    def test_sources_name_their_licence(self):
        for path in own_files():
            if path.endswith(('.c', '.h', '.py', '.sh')) or path.startswith('scripts/'):
                self.assertIn('SPDX-License-Identifier:', '\n'.join(lines(path)[:30]), path)

    def test_every_file_has_a_place(self):
        known = {name for row in series() for name in [row[0], *row[1]]}
        for path in own_files():
            top = path.split('/')[0]
            if top in ('base', 'debian', 'lab', 'scripts', '.ci') or '/' not in path \
                    or path.startswith('tests/house/'):
                continue
            self.assertIn(path, known, 'no line of series names it')

    def test_nothing_of_a_machine_is_written_down(self):
        found = re.compile(r'(^|[^\w])/(home|root|work|srv)/\w|(deb|ftp\.\w+|security)\.debian\.org')
        for path in own_files():
            if path.startswith('patches/') or path == 'COPYING':
                continue
            for number, line in enumerate((REPO / path).read_text(errors='replace').splitlines(), 1):
                if path != 'tests/house/test_repo.py':
                    self.assertIsNone(found.search(line), f'{path}:{number}: {line}')

    def test_files_are_short(self):
        for path in own_files():
            if path.endswith(('.c', '.h', '.py', '.sh')):
                self.assertLessEqual(len(lines(path)), 620, f'{path} is long: split it')


class StyleTest(unittest.TestCase):
    """checkpatch on all C of ours, shellcheck on all shell."""

    def checkpatch(self, *args):
        done = subprocess.run(['scripts/checkpatch.pl', '--strict', '--terse', '--no-summary',
                               '-q', *map(str, args)],
                              cwd=TREE, capture_output=True, text=True, check=False)
        found = [line for line in (done.stdout + done.stderr).splitlines()
                 if line.strip() and not any(text in line for text in ANSWERED)]
        return '\n'.join(found)

    def test_checkpatch_series(self):
        mails = sorted((REPO / 'build/series').glob('*.patch'))
        self.assertTrue(mails or not series(), 'no mails in build/series')
        for mail in mails:
            with self.subTest(mail.name):
                text = mail.read_text(errors='replace')
                found = self.checkpatch(mail).splitlines()
                if '\nGIT binary patch\n' in text and '\n@@ ' not in text:
                    found = [line for line in found if BINARY not in line]
                self.assertEqual(found, [])

    def test_checkpatch_lab(self):
        for path in own_files():
            if path.endswith(('.c', '.h')) and path.startswith('lab/'):
                with self.subTest(path):
                    self.assertEqual(self.checkpatch('-f', REPO / path), '')

    def test_shellcheck(self):
        scripts = []
        for path in own_files():
            first = (REPO / path).open('rb').readline()
            if re.match(rb'#!.*\b(ba)?sh\b', first) or path.endswith('.sh'):
                scripts.append(path)
        done = subprocess.run(['shellcheck', '-x', *scripts], cwd=REPO, check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.stdout + done.stderr, '')

    def test_scripts_can_be_run(self):
        for path in own_files():
            if (REPO / path).open('rb').read(2) == b'#!':
                self.assertTrue(os.access(REPO / path, os.X_OK), f'{path} is not executable')


if __name__ == '__main__':
    report.main()
