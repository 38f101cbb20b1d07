#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` and `make uninstall` are inverse, and what is installed runs."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report
from snapshot import snapshot

REPO = Path(__file__).resolve().parent.parent.parent
PREFIX = '/opt/viommu'


class InstallTest(unittest.TestCase):
    """In a folder that has files of others already."""

    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix='install-test-'))
        self.addCleanup(shutil.rmtree, self.top)
        for name in 'opt/viommu/bin/qemu-system-x86_64', 'opt/viommu/share/man/man1/other.1', \
                'usr/bin/true':
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text(name)
        self.before = snapshot(self.top)

    def make(self, target, prefix=PREFIX, **kwargs):
        # Not what a caller's make says.
        env = {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}
        return subprocess.run(['make', '-s', '-C', REPO, target, f'PREFIX={prefix}',
                               f'DESTDIR={self.top}'], capture_output=True, text=True, env=env,
                              check=False, **kwargs)

    def ok(self, target, **kwargs):
        done = self.make(target, **kwargs)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def refused(self, words, *args, **kwargs):
        before = snapshot(self.top)
        done = self.make(*args, **kwargs)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(words, done.stderr)
        self.assertEqual(snapshot(self.top), before)

    def test_uninstall_removes_what_install_made(self):
        self.ok('install', umask=0o077)
        after = snapshot(self.top)
        self.assertEqual({path: after.get(path) for path in self.before}, self.before)
        self.assertEqual(after['opt/viommu/bin/qemu-viommu-system-aarch64'][:2], ('file', 0o755))
        self.assertEqual(after['opt/viommu/share/qemu-viommu'], ('folder', 0o755))
        self.assertIn('opt/viommu/share/man/man1/qemu-viommu-system-x86_64.1', after)
        self.assertIn('opt/viommu/share/doc/qemu-viommu/docs/system/arm/smmuv3.rst', after)
        added = set(after) - set(self.before)
        self.assertTrue(all(path.startswith('opt/viommu/') for path in added))
        # What the user adds is the user's.
        mine = self.top / 'opt/viommu/share/qemu-viommu/mine.rom'
        mine.touch()
        self.ok('uninstall')
        self.assertTrue(mine.exists())
        shutil.rmtree(mine.parent)
        self.assertEqual(snapshot(self.top), self.before)
        self.refused('is not installed', 'uninstall')

    def test_uninstall_removes_a_prefix_that_install_made(self):
        self.ok('install', prefix='/new/prefix')
        self.assertTrue((self.top / 'new/prefix/bin').exists())
        self.ok('uninstall', prefix='/new/prefix')
        self.assertEqual(snapshot(self.top), self.before)

    def test_it_runs_with_its_own_firmware(self):
        self.ok('install')
        root = self.top / 'opt/viommu'
        devices = ['VGA', 'e1000e', 'virtio-net-pci', 'vmxnet3']
        machines = {'x86_64': ('pc-q35-10.0-viommu', devices), 'aarch64': ('virt', devices[1:3])}
        for target, (machine, names) in machines.items():
            # The usual name, through a link: what it loads is beside the file.
            done = subprocess.run(
                [root / f'lib/qemu-viommu/bin/qemu-system-{target}', '-machine', machine,
                 '-nodefaults', '-display', 'none', '-monitor', 'stdio', '-S', '-trace',
                 'load_file', *[arg for name in names for arg in ('-device', name)]],
                input='info version\nquit\n', capture_output=True, text=True, check=False,
                cwd=self.top, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('viommu\n', done.stdout)
            loaded = [line.split()[-1] for line in done.stderr.splitlines() if 'load_file' in line]
            self.assertGreaterEqual(len(loaded), len(names), done.stderr)
            for path in loaded:
                self.assertEqual(Path(path).resolve().parent, root / 'share/qemu-viommu')

    def test_firmware_descriptors_name_what_is_installed(self):
        self.ok('install')
        found = {}
        for path in (self.top / 'opt/viommu/share/qemu/firmware').iterdir():
            text = json.loads(path.read_text())
            for part in 'executable', 'nvram-template':
                self.assertTrue((self.top / text['mapping'][part]['filename'][1:]).is_file())
            for place in text['targets']:
                found[place['architecture']] = place['machines']
        self.assertEqual(found, {'aarch64': ['virt-*-viommu'], 'x86_64': ['pc-q35-*-viommu']})

    def test_a_later_install_replaces_an_earlier_one(self):
        self.ok('install')
        first = snapshot(self.top)
        gone = self.top / 'opt/viommu/share/qemu-viommu/gone.rom'
        gone.touch()
        with (gone.parent / 'manifest').open('a') as manifest:
            manifest.write(f'{PREFIX}/share/qemu-viommu/gone.rom\n')
        self.ok('install')
        self.assertEqual(snapshot(self.top), first)
        self.ok('uninstall')
        self.assertEqual(snapshot(self.top), self.before)

    def test_files_of_others_are_not_overwritten(self):
        other = self.top / 'opt/viommu/bin/qemu-viommu-system-x86_64'
        other.write_text('of others')
        self.refused('is there, and not of qemu-viommu', 'install')

    def test_a_prefix_has_to_be_absolute(self):
        self.refused('no absolute path', 'install', prefix='viommu')


if __name__ == '__main__':
    report.main()
