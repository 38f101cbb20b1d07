#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What README.md and docs/ name is there: scenarios, test cases, files, commands, variables."""

import fnmatch
import re
import subprocess
import unittest

import report
from repo import REPO, TREE, own_files, text

DOCS = ['README.md', *(path for path in own_files()
                       if path.startswith('docs/') and path.endswith('.rst'))]
ARCHES = '(?:arm64|x86)'
# Folders whose files are named in documents by their paths
FOLDERS = 'backends|base|debian|docs|hw|include|lab|patches|scripts|tests'


def quoted(path):
    """What a document has in backticks, one pair or two"""
    return re.findall(r'(`+)([^`\n]+)\1', text(path))


class ScenarioTest(unittest.TestCase):
    """Scenarios of the lab"""

    @classmethod
    def setUpClass(cls):
        done = subprocess.run([REPO / 'lab/run', '--list'], check=True, capture_output=True,
                              text=True)
        cls.known = done.stdout.split()

    @staticmethod
    def named(path):
        """Names and patterns that a document has, in backticks or in a command"""
        found = {word for _, word in quoted(path) if re.fullmatch(rf'{ARCHES}/[\w.*-]+', word)}
        return found | set(re.findall(rf"(?:SCENARIO=|lab/run )'?({ARCHES}/[\w.*-]+)", text(path)))

    def test_each_that_is_named_exists(self):
        for path in DOCS:
            for name in self.named(path):
                self.assertTrue(fnmatch.filter(self.known, name), f'{path}: no scenario {name}')

    def test_each_is_named(self):
        named = set().union(*map(self.named, DOCS))
        self.assertEqual(set(self.known) - named, set(), 'no document names these')


class CaseTest(unittest.TestCase):
    """Cases of the tests in tests/qtest, as README.md names them"""

    code = '\n'.join(text(path) for path in own_files() if path.startswith('tests/qtest/'))
    #: paths as they are registered, with what printf fills in as a wildcard
    paths = {re.sub(r'%0?\d*\w?', '*', path)
             for path in re.findall(r'"((?:/[a-z0-9%-]+)+)', code)}

    def known(self, name):
        """Is there a case of that name, or one that the pattern matches?"""
        for path in self.paths:
            if fnmatch.fnmatch(path, name):
                return True
            if fnmatch.fnmatch(name, path):
                # one of a table: its name is a string of the code
                last = name.split('/')[-1]
                return f'"{last.rstrip("*")}' in self.code if last[-1:] == '*' \
                    else last.isdigit() or f'"{last}"' in self.code
        return False

    def test_each_that_is_named_exists(self):
        for _, word in quoted('README.md'):
            if re.fullmatch(r'(/[\w*-]+){2,}', word) and not word.startswith(('/usr/', '/etc/')):
                self.assertTrue(self.known(word), f'README.md: no test case {word}')


class NamesTest(unittest.TestCase):
    """Files, commands and variables"""

    def test_links_of_readme(self):
        for target in re.findall(r'\]\(([^)#:]+)\)', text('README.md')):
            self.assertTrue((REPO / target).exists(), f'README.md has a link to {target}')

    def test_files(self):
        known = [folder for folder in (REPO, TREE) if folder.exists()]
        for path in DOCS:
            for _, word in quoted(path):
                if not re.fullmatch(rf'(?:{FOLDERS})/[\w./*-]*', word):
                    continue
                self.assertTrue(any(list(folder.glob(word)) for folder in known),
                                f'{path} names {word}')

    def test_make_targets(self):
        known = set(re.findall(r'^([a-z]+):', text('Makefile'), re.M))
        for path in DOCS:
            commands = re.findall(r'^(?: {2,}|``?)make ([a-z]+)|`make ([a-z]+)', text(path), re.M)
            for target in filter(None, sum(commands, ())):
                self.assertIn(target, known, f'{path} names make {target}')

    def test_make_variables(self):
        code = '\n'.join(text(path) for path in own_files()
                         if path == 'Makefile' or path.startswith('scripts/'))
        for path in DOCS:
            for name in re.findall(r'\bmake [a-z]+(?: \w+=\S*)* ([A-Z_]+)=', text(path)):
                self.assertTrue(re.search(rf'\b{name}\b', code), f'{path} names {name}=')

    def test_variables_of_the_lab(self):
        """LAB_ and BENCH_ variables: what documents name is read, and what is read is named."""
        word = r'\b(?:LAB|BENCH)_[A-Z0-9_]+\b'
        used = {name for path in own_files() if path.startswith('lab/') and path.endswith('.py')
                or path.startswith('scripts/') for name in re.findall(word, text(path))}
        named = {name for path in DOCS for name in re.findall(word, text(path))}
        self.assertEqual(named - used, set(), 'nothing reads these')
        self.assertEqual(used - named, set(), 'no document names these')


if __name__ == '__main__':
    report.main()
