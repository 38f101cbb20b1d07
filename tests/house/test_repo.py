#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for the files of the repo: places, licences, MAINTAINERS, style; and what the lab is of."""

import ast
import fnmatch
import os
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

import report
from repo import REPO, TREE, lines, overlay, own_files, python_files, series, shell_files, text

# Warnings of checkpatch that are answered otherwise: MAINTAINERS is merged by a commit of its
# own, and test_maintainers_covers_the_overlay looks at the result; headers come from the
# kernel's package when the tree is made.
ANSWERED = ('does MAINTAINERS need updating?', 'are you using scripts/update-linux-headers.sh?',
            "Does new file 'tests/data/acpi/")
# and what it says of a mail that has binary files only
BINARY = 'Does not appear to be a unified-diff format patch'
# Folders of the repo itself: no line of series names what is in them.
HOUSE = ('base/', 'debian/', 'lab/', 'scripts/', '.ci/', 'tests/house/', 'tests/lab/')
COLUMNS = 100


class FilesTest(unittest.TestCase):
    """Rules that hold for each file"""

    def test_maintainers_covers_the_overlay(self):
        patterns = [line[2:].strip() for line in lines('MAINTAINERS') if line[:2] == 'F:']
        used = set()
        for path in overlay():
            found = [p for p in patterns if path.startswith(p) and p.endswith('/')
                     or fnmatch.fnmatch(path, p)]
            used |= set(found)
            self.assertTrue(found, f'no F: line of MAINTAINERS covers {path}')
        self.assertEqual(set(patterns) - used, set(), 'F: lines of MAINTAINERS without a file')

    def test_sources_name_their_licence(self):
        shown = {*shell_files(), *python_files()}
        for path in own_files():
            if path in shown or path.endswith(('.c', '.h')) or path.startswith('scripts/'):
                self.assertIn('SPDX-License-Identifier:', '\n'.join(lines(path)[:30]), path)

    def test_every_file_has_a_place(self):
        known = {name for row in series() for name in [row[0], *row[1]]}
        lost = [path for path in own_files()
                if '/' in path and not path.startswith(HOUSE) and path not in known]
        self.assertEqual(lost, [], 'no line of series names these')

    def test_nothing_of_a_machine_is_written_down(self):
        found = re.compile(r'(^|[^\w])/(home|root|work|srv)/\w|'
                           r'(deb|ftp\.\w+|security)\.debian\.org')
        for path in own_files():
            if path.startswith('patches/') or path in ('COPYING', 'tests/house/test_repo.py'):
                continue
            for number, line in enumerate(lines(path), 1):
                self.assertIsNone(found.search(line), f'{path}:{number}: {line}')

    def test_files_are_short(self):
        for path in own_files():
            if path.endswith(('.c', '.h', '.py', '.sh')):
                with self.subTest(path):
                    self.assertLessEqual(len(lines(path)), 620, f'{path} is long: split it')

    def test_scripts_can_be_run(self):
        for path in own_files():
            if text(path).startswith('#!'):
                self.assertTrue(os.access(REPO / path, os.X_OK), f'{path} is not executable')


class LabTest(unittest.TestCase):
    """The lab is Python, with shell in L1 and L2 and one library between QEMU and the kernel."""

    def test_scenarios_are_python(self):
        for path in own_files():
            if path.startswith(('lab/arm64/', 'lab/x86/', 'lab/qemu_lab/')):
                self.assertTrue(path.endswith('.py'), f'{path} is not Python')

    def test_no_bash(self):
        for path in shell_files():
            if path.startswith('lab/'):
                self.assertTrue(path.startswith(('lab/guest/', 'lab/host/')),
                                f'{path}: shell is for L1 and L2')
                self.assertNotRegex('\n'.join(lines(path)[:3]), r'\bbash\b', f'{path}: bash')

    def test_one_library_is_preloaded(self):
        for path in own_files():
            if not path.startswith('lab/'):
                continue
            if path.startswith('lab/shim/') and path.endswith('.c'):
                self.assertRegex(path, r'^lab/shim/interpose[\w-]*\.c$', 'another library')
            for library in re.findall(r'LD_PRELOAD[^/\w]+(\S*?\.so)', text(path)):
                self.assertEqual(library, '/lib/interpose.so', f'{path} preloads another library')

    def test_every_script_and_tool_is_used(self):
        """A string or a command in Python names it, or a script or a C file that is used."""
        python = '\n'.join(text(path) for path in own_files()
                           if path.startswith(('lab/', 'tests/lab/')) and path.endswith('.py'))
        left = {path for path in own_files()
                if path.startswith(('lab/guest/', 'lab/host/', 'lab/shim/'))}
        names = {path: re.escape(path.split('/')[-1].removesuffix('.c')) for path in left}
        used = {path for path in left
                if re.search(rf"""(?:['"]|/lab/){names[path]}(?:\.so|\.c)?['" ;]""", python)}
        while used:
            left -= used
            code = '\n'.join(map(text, used))
            used = {path for path in left
                    if re.search(rf'(?<![\w.-]){names[path]}(?![\w-])', code)}
        self.assertEqual(sorted(left), [], 'nothing calls these')

    def test_named_files_exist(self):
        """What comments and scripts say of lab/ is there."""
        name = re.compile(r'(?<![\w/.-])lab/(?![\w/-]*[A-Z]{2})[a-z0-9][\w/.-]*')
        for path in own_files():
            if path.startswith(('patches/', 'docs/')) or '.' not in path and '/' not in path:
                continue
            for found in name.findall(text(path)):
                found = found.rstrip('.')
                self.assertTrue(any((REPO / f'{found}{end}').exists() for end in ('', '.c', '.py')),
                                f'{path} names {found}')


class PythonTest(unittest.TestCase):
    """All Python: a small part of what pycodestyle and pylint look at"""

    @staticmethod
    def problems(path):
        """What is wrong with a file"""
        for number, line in enumerate(lines(path), 1):
            if len(line) > COLUMNS:
                yield f'{path}:{number}: {len(line)} columns'
            if line != line.rstrip() or '\t' in line:
                yield f'{path}:{number}: blanks'
        try:
            tree = ast.parse(text(path), path)
        except SyntaxError as error:
            yield f'{path}:{error.lineno}: {error.msg}'
            return
        if not ast.get_docstring(tree):
            yield f'{path}: no docstring'
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    name = (alias.asname or alias.name).split('.')[0]
                    if name not in named:
                        yield f'{path}:{node.lineno}: {name} is imported and not used'

    def test_python(self):
        for path in python_files():
            with self.subTest(path):
                problems = list(self.problems(path))
                self.assertFalse(problems, '\n'.join(problems))


class StyleTest(unittest.TestCase):
    """checkpatch on all C, shellcheck on all shell"""

    @staticmethod
    def checkpatch(*args):
        """What it says"""
        done = subprocess.run(['scripts/checkpatch.pl', '--strict', '--terse', '--no-summary',
                               '-q', *map(str, args)],
                              cwd=TREE, capture_output=True, text=True, check=False)
        return [line for line in (done.stdout + done.stderr).splitlines()
                if line.strip() and not any(words in line for words in ANSWERED)]

    @staticmethod
    def at_once(function, arguments):
        """[(argument, result)], by as many threads as there are processors"""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(zip(arguments, pool.map(function, arguments)))

    def mail(self, path):
        """checkpatch of a mail"""
        mail = path.read_text(errors='replace')
        found = self.checkpatch(path)
        if '\nGIT binary patch\n' in mail and '\n@@ ' not in mail:
            found = [line for line in found if BINARY not in line]
        return found

    def test_checkpatch_series(self):
        mails = sorted((REPO / 'build/series').glob('*.patch'))
        self.assertTrue(mails or not series(), 'no mails in build/series')
        for mail, found in self.at_once(self.mail, mails):
            with self.subTest(mail.name):
                self.assertEqual(found, [])

    def test_checkpatch_lab(self):
        paths = [path for path in own_files()
                 if path.endswith(('.c', '.h')) and path.startswith(('lab/', 'tests/lab/'))]
        for path, found in self.at_once(lambda path: self.checkpatch('-f', REPO / path), paths):
            with self.subTest(path):
                self.assertEqual(found, [])

    def test_shellcheck(self):
        def check(paths):
            done = subprocess.run(['shellcheck', '-x', *paths], cwd=REPO, check=False,
                                  capture_output=True, text=True)
            return done.stdout + done.stderr

        parts = os.cpu_count() * 2
        scripts = [found for found in (shell_files()[n::parts] for n in range(parts)) if found]
        for _, found in self.at_once(check, scripts):
            self.assertEqual(found, '')


if __name__ == '__main__':
    report.main()
