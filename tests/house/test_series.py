#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/series.py on a small base: both directions, and every refusal."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
BASE = {
    'VERSION': '10.0.99\n',
    'MAINTAINERS': 'Overall\n-------\nM: Some One <one@example.org>\nF: *\n',
    'hw/arm/virt.c': ''.join(f'line {n}\n' for n in range(40)),
    'hw/arm/meson.build': 'arm_ss.add(files(\'virt.c\'))\n',
    'linux-headers/linux/iommufd.h': '/* old */\n',
    'hidden.bin': 'ignored by the base, and yet part of it\n',
    '.gitignore': '*.bin\n*.pyc\n',
    '.pc/applied': 'no part of the base\n',
}
AUTHOR = 'A Developer <dev@example.org>'
SIGNED = f'Why.\n\nSigned-off-by: {AUTHOR}'


class SeriesTest(unittest.TestCase):
    """Each test has a repo, a base and a kernel header of its own."""

    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix='series-test-'))
        self.addCleanup(shutil.rmtree, self.top)
        self.repo, self.base = self.top / 'repo', self.top / 'base'
        self.tree = self.repo / 'build/tree'
        (self.repo / 'scripts').mkdir(parents=True)
        shutil.copy(HERE.parent.parent / 'scripts/series.py', self.repo / 'scripts')
        for path, text in BASE.items():
            self.write(self.base, path, text)
        self.write(self.top, 'headers/linux/iommufd.h', '/* new */\n')
        self.env = dict(os.environ, VIOMMU_KERNEL_HEADERS=str(self.top / 'headers'),
                        GIT_AUTHOR_NAME='A Developer', GIT_AUTHOR_EMAIL='dev@example.org',
                        GIT_COMMITTER_NAME='A Developer',
                        GIT_COMMITTER_EMAIL='dev@example.org',
                        GIT_CONFIG_GLOBAL='/dev/null')
        self.write(self.repo, 'MAINTAINERS',
                   f'Accelerated things\n------\nM: {AUTHOR}\nF: hw/arm/accel.c\n')
        self.series('import', str(self.base), 'base-1')
        self.series('tree')

    @staticmethod
    def write(root, path, text):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    def series(self, *args, fails=None):
        done = subprocess.run([self.repo / 'scripts/series.py', *args], env=self.env,
                              capture_output=True, text=True, check=False)
        if fails is None:
            self.assertEqual(done.returncode, 0, done.stderr)
        else:
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(fails, done.stderr)
            self.assertTrue(done.stderr.startswith('error: '), done.stderr)
        return done.stdout

    def git(self, *args):
        done = subprocess.run(['git', *args], cwd=self.tree, env=self.env, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject, files):
        """A commit on top of build/tree, below the one with the MAINTAINERS sections."""
        self.git('reset', '-q', '--hard', 'HEAD~1')
        for path, text in files.items():
            self.write(self.tree, path, text)
        self.git('add', '-A')
        self.git('commit', '-q', '-m', subject, '-m', SIGNED)
        self.git('cherry-pick', 'series@{2}')

    def two_topics(self):
        virt = BASE['hw/arm/virt.c']
        self.commit('linux-headers: import the kernel\'s',
                    {'linux-headers/linux/iommufd.h': '/* new */\n'})
        self.commit('hw/arm: add accel', {
            'hw/arm/accel.c': 'int accel;\n',
            'hw/arm/virt.c': virt.replace('line 20\n', 'line 20\naccel();\n'),
        })
        self.series('refresh')

    def snapshot(self):
        return {str(p.relative_to(self.repo)): (p.read_bytes(), p.stat().st_mode)
                for p in sorted(self.repo.rglob('*'))
                if p.is_file() and 'build' not in p.relative_to(self.repo).parts}

    def test_base_has_ignored_files_and_no_pc(self):
        names = self.git('ls-tree', '-r', '--name-only', 'base').split()
        self.assertIn('hidden.bin', names)
        self.assertNotIn('.pc/applied', names)

    def test_refresh_writes_the_repo(self):
        self.two_topics()
        self.assertEqual((self.repo / 'series').read_text(), (
            'patches/0001-linux-headers-import-the-kernel-s.patch @kernel:linux/iommufd.h\n'
            'patches/0002-hw-arm-add-accel.patch hw/arm/accel.c\n'))
        patch = (self.repo / 'patches/0002-hw-arm-add-accel.patch').read_text()
        self.assertTrue(patch.startswith(
            f'From: {AUTHOR}\nSubject: [PATCH] hw/arm: add accel\n\n{SIGNED}\n---\n'))
        self.assertIn('+accel();', patch)
        self.assertNotIn('int accel', patch)
        self.assertFalse((self.repo / 'linux-headers').exists())
        self.assertEqual((self.repo / 'hw/arm/accel.c').read_text(), 'int accel;\n')

    def test_untouched_tree_changes_nothing(self):
        self.two_topics()
        before, head = self.snapshot(), self.git('rev-parse', 'HEAD')
        self.series('refresh')
        self.assertEqual(self.snapshot(), before)
        self.series('tree')
        self.assertEqual(self.git('rev-parse', 'HEAD'), head)
        self.assertEqual(self.git('status', '--porcelain'), '')

    def test_from_nothing_gives_the_same_commits(self):
        self.two_topics()
        head = self.git('rev-parse', 'HEAD')
        shutil.rmtree(self.repo / 'build')
        self.series('import', str(self.base), 'base-1')
        self.series('tree')
        self.assertEqual(self.git('rev-parse', 'HEAD'), head)
        self.assertIn('hw/arm/accel.c', (self.tree / 'MAINTAINERS').read_text())

    def test_binary_overlay_files(self):
        """A table that a test expects: neither text nor with an end of line."""
        path, table = 'tests/data/acpi/DSDT.gpu', b'DSDT\r\n' + bytes(range(256)) + b'\n\0\r'
        self.git('reset', '-q', '--hard', 'HEAD~1')
        (self.tree / path).parent.mkdir(parents=True)
        (self.tree / path).write_bytes(table)
        self.git('add', '-A')
        self.git('commit', '-q', '-m', 'tests: a table', '-m', SIGNED)
        self.git('cherry-pick', 'series@{2}')
        self.series('refresh')
        self.assertEqual((self.repo / path).read_bytes(), table)
        self.assertEqual((self.repo / 'series').read_text(),
                         f'patches/0001-tests-a-table.patch {path}\n')
        # An edit on either side
        (self.tree / path).write_bytes(table[::-1])
        self.series('refresh')
        self.assertEqual((self.repo / path).read_bytes(), table[::-1])
        (self.repo / path).write_bytes(table + table)
        self.series('tree')
        self.assertEqual((self.tree / path).read_bytes(), table + table)
        # and the mail that carries it
        self.series('export')
        head = self.git('rev-parse', 'HEAD^{tree}')
        self.git('checkout', '-q', '--detach', 'base')
        self.git('am', '-q', *map(str, sorted((self.repo / 'build/series').glob('*.patch'))))
        self.assertEqual(self.git('rev-parse', 'HEAD^{tree}'), head)

    def test_only_changed_files_are_written(self):
        self.two_topics()
        for path in self.tree / 'hw/arm/virt.c', self.tree / 'hw/arm/accel.c':
            os.utime(path, (1, 1))
        self.write(self.repo, 'hw/arm/accel.c', 'int accel2;\n')
        self.series('tree')
        self.assertEqual((self.tree / 'hw/arm/virt.c').stat().st_mtime, 1)
        self.assertEqual((self.tree / 'hw/arm/accel.c').read_text(), 'int accel2;\n')

    def test_edits_are_folded(self):
        self.two_topics()
        self.write(self.tree, 'hw/arm/accel.c', 'int better;\n')
        text = (self.tree / 'hw/arm/virt.c').read_text()
        self.write(self.tree, 'hw/arm/virt.c', text.replace('accel()', 'accel(1)'))
        self.series('refresh')
        self.assertEqual((self.repo / 'hw/arm/accel.c').read_text(), 'int better;\n')
        self.assertIn('+accel(1);',
                      (self.repo / 'patches/0002-hw-arm-add-accel.patch').read_text())
        self.assertEqual(self.git('status', '--porcelain'), '')
        self.assertEqual(self.git('rev-list', '--count', 'base..HEAD'), '3')

    def test_sections_are_folded(self):
        text = (self.tree / 'MAINTAINERS').read_text()
        self.write(self.tree, 'MAINTAINERS', text + 'F: hw/arm/more.c\n')
        self.series('refresh')
        self.assertTrue((self.repo / 'MAINTAINERS').read_text().endswith('more.c\n'))

    def test_renumber_keeps_names_and_comments(self):
        self.two_topics()
        (self.repo / 'patches/0002-hw-arm-add-accel.patch').rename(
            self.repo / 'patches/0002-short.patch')
        self.write(self.repo, 'series', (self.repo / 'series').read_text()
                   .replace('hw-arm-add-accel', 'short')
                   .replace('patches/0002', '\n# the topic\npatches/0002'))
        self.series('tree')
        self.git('rebase', '-q', '--onto', 'base', 'HEAD~2')
        self.series('refresh')
        self.assertEqual((self.repo / 'series').read_text(),
                         '\n# the topic\npatches/0001-short.patch hw/arm/accel.c\n')
        self.assertEqual([p.name for p in (self.repo / 'patches').iterdir()],
                         ['0001-short.patch'])

    def test_refresh_from_another_repo(self):
        self.two_topics()
        other = self.top / 'other'
        shutil.copytree(self.tree, other)
        for name in 'series', 'hw/arm/accel.c', 'MAINTAINERS':
            (self.repo / name).unlink()
        shutil.rmtree(self.repo / 'patches')
        self.series('refresh', '--from', str(other))
        self.series('tree')
        self.assertEqual(self.git('rev-parse', 'HEAD^{tree}'),
                         subprocess.run(['git', 'rev-parse', 'HEAD^{tree}'], cwd=other,
                                        check=True, capture_output=True,
                                        text=True).stdout.strip())

    def test_mails_give_the_same_tree(self):
        self.two_topics()
        want = self.git('rev-parse', 'HEAD^{tree}')
        self.series('export')
        mails = sorted((self.repo / 'build/series').iterdir())
        self.assertEqual(len(mails), 3)
        self.git('checkout', '-q', '--detach', 'base')
        self.git('am', '-q', *map(str, mails))
        self.assertEqual(self.git('rev-parse', 'HEAD^{tree}'), want)

    def test_refuses_to_drop_work(self):
        self.two_topics()
        self.write(self.tree, 'hw/arm/accel.c', 'int mine;\n')
        self.series('tree', fails='build/tree has edits of yours')
        self.git('commit', '-qam', 'mine')
        self.series('tree', fails='build/tree has commits of yours')
        self.assertEqual((self.tree / 'hw/arm/accel.c').read_text(), 'int mine;\n')

    def test_refuses_changes_on_both_sides(self):
        self.two_topics()
        self.write(self.tree, 'hw/arm/accel.c', 'int mine;\n')
        self.write(self.repo, 'hw/arm/accel.c', 'int yours;\n')
        self.series('refresh', fails='the repo was changed since')
        self.assertEqual((self.repo / 'hw/arm/accel.c').read_text(), 'int yours;\n')

    def test_newer_repo_and_untouched_tree(self):
        self.two_topics()
        self.write(self.repo, 'hw/arm/accel.c', 'int yours;\n')
        self.assertIn('make tree', self.series('refresh'))
        self.assertEqual((self.repo / 'hw/arm/accel.c').read_text(), 'int yours;\n')

    def test_new_files_and_foreign_edits_need_a_commit(self):
        self.two_topics()
        self.write(self.tree, 'hw/arm/extra.c', 'int x;\n')
        self.series('refresh', fails='hw/arm/extra.c is a new file')
        (self.tree / 'hw/arm/extra.c').unlink()
        self.write(self.tree, 'VERSION', '1\n')
        self.series('refresh', fails='VERSION is an edit of a file no commit touches')

    def test_an_overlay_file_has_one_owner(self):
        self.two_topics()
        self.commit('hw/arm: meddle', {'hw/arm/accel.c': 'int other;\n'})
        self.series('refresh', fails='is added by "hw/arm: add accel" and changed by a '
                                     'later commit, "hw/arm: meddle"')

    def test_a_base_that_does_not_fit_is_explained(self):
        self.two_topics()
        self.write(self.base, 'hw/arm/virt.c',
                   BASE['hw/arm/virt.c'].replace('line 20', 'other 20'))
        self.series('import', str(self.base), 'base-2')
        self.series('tree', fails='patches/0002-hw-arm-add-accel.patch does not apply to this '
                                  'base: hw/arm/virt.c, hunk @@ -19,6 +19,7 @@')

    def test_overlay_must_be_new_and_present(self):
        self.two_topics()
        self.write(self.base, 'hw/arm/accel.c', 'int theirs;\n')
        self.series('import', str(self.base), 'base-2')
        self.series('tree', fails='hw/arm/accel.c (patches/0002-hw-arm-add-accel.patch) is '
                                  'already in the tree')
        (self.repo / 'hw/arm/accel.c').unlink()
        self.series('tree', fails='hw/arm/accel.c of patches/0002-hw-arm-add-accel.patch does '
                                  'not exist')

    def test_not_a_qemu_tree(self):
        self.series('import', str(self.top), 'x', fails='is not a QEMU source tree')


if __name__ == '__main__':
    report.main()
