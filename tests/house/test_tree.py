#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""build/tree and the repo are two forms of the same thing."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report

REPO = Path(__file__).resolve().parent.parent.parent
TREE = REPO / 'build/tree'


def run(*args, **kwargs):
    done = subprocess.run(args, capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise AssertionError(f'{" ".join(map(str, args[:4]))}: {done.stderr or done.stdout}')
    return done.stdout.strip()


def git(*args):
    return run('git', '-C', str(TREE), *args)


def snapshot():
    """The repo's own files, with their hashes."""
    names = run('git', '-C', str(REPO), 'ls-files', '-co', '--exclude-standard').splitlines()
    return {name: hashlib.sha256((REPO / name).read_bytes()).hexdigest()
            for name in names if (REPO / name).is_file()}


class TreeTest(unittest.TestCase):
    """On the real series."""

    def test_refresh_and_tree_change_nothing(self):
        before, head = snapshot(), git('rev-parse', 'HEAD')
        run(REPO / 'scripts/series.py', 'refresh')
        self.assertEqual(snapshot(), before)
        run(REPO / 'scripts/series.py', 'tree')
        self.assertEqual(git('rev-parse', 'HEAD'), head)
        self.assertEqual(git('status', '--porcelain'), '')

    def test_mails_apply_to_the_bare_base(self):
        run(REPO / 'scripts/series.py', 'export')
        mails = sorted(map(str, (REPO / 'build/series').glob('*.patch')))
        if not mails:
            self.skipTest('the series is empty')
        work = tempfile.mkdtemp(prefix='am-', dir=REPO / 'build')
        self.addCleanup(shutil.rmtree, work)
        # The objects are shared: only the files of the base are written.
        run('git', 'clone', '-q', '-s', '-n', str(TREE), work)
        shutil.copy(TREE / '.git/info/attributes', Path(work) / '.git/info/')
        run('git', 'checkout', '-q', '--detach', 'base', cwd=work)
        who = dict(os.environ, GIT_COMMITTER_NAME='test', GIT_COMMITTER_EMAIL='test@localhost')
        run('git', 'am', '-q', *mails, cwd=work, env=who)
        self.assertEqual(run('git', 'rev-parse', 'HEAD^{tree}', cwd=work),
                         git('rev-parse', 'HEAD^{tree}'))


if __name__ == '__main__':
    report.main()
