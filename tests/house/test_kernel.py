#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernels of the lab: their table and locks, how one is configured, and Debian's own."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report

REPO = Path(__file__).resolve().parent.parent.parent
# A Linux source as far as build-kernel knows it: what it is asked for is what it makes.
MAKEFILE = '''
allnoconfig:
\tgrep -v '=n$$\\|LATER' $(KCONFIG_ALLCONFIG) >$(O)/.config
Image bzImage:
\tmkdir -p $(O)/arch/arm64/boot $(O)/arch/x86/boot
\techo $@ $(ARCH) >$(O)/arch/arm64/boot/Image
\techo $@ $(ARCH) >$(O)/arch/x86/boot/bzImage
vmlinux:
\techo debug >$(O)/vmlinux
scripts_gdb:
\tmkdir -p $(O)/scripts/gdb
\techo gdb >$(O)/vmlinux-gdb.py
'''

CONTROL = '''Package: test
Version: 9.1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: test
'''


def rows():
    """[NAME, ARCH, LOCK, FRAGMENT...] of each kernel"""
    table = (REPO / 'base/linux-kernels').read_text().splitlines()
    return [line.split() for line in table if line and line[0] != '#']


def lock(path):
    """The variables of a lock, as the shell reads them."""
    done = subprocess.run(['bash', '-c', '. "$1"; for name in PACKAGES SUITE VERSION ACCEPT '
                           'ARCH SHA256; do echo "$name=${!name//$\'\\n\'/|}"; done', '', path],
                          check=True, capture_output=True, text=True)
    return dict(line.split('=', 1) for line in done.stdout.splitlines())


class TableTest(unittest.TestCase):
    """base/linux-kernels and base/linux*.lock"""

    def test_each_row_has_its_files(self):
        for name, arch, source, *fragments in rows():
            with self.subTest(name):
                self.assertTrue(name.startswith(arch))
                self.assertTrue((REPO / f'base/{source}.lock').is_file())
                for fragment in [arch, *fragments]:
                    self.assertTrue((REPO / f'base/linux-{fragment}.config').is_file(), fragment)

    def test_each_file_has_a_row(self):
        used = {f'{row[2]}.lock' for row in rows()} | {'linux-debug.config'}
        used |= {f'linux-{name}.config' for row in rows() for name in [row[1], *row[3:]]}
        found = {path.name for path in (REPO / 'base').glob('linux*.*')
                 if path.suffix in ('.lock', '.config')}
        self.assertEqual(found, used)

    def test_locks_name_what_they_lock(self):
        for path in (REPO / 'base').glob('linux*.lock'):
            with self.subTest(path.name):
                values = lock(path)
                self.assertTrue(values['VERSION'].startswith(values['ACCEPT'] + '.'))
                sums = [line.split() for line in values['SHA256'].split('|') if line]
                self.assertEqual([name.split('_')[:2] for _, name in sums],
                                 [[name, values['VERSION']] for name in values['PACKAGES'].split()])
                for digest, name in sums:
                    self.assertRegex(digest, '^[0-9a-f]{64}$')
                    self.assertTrue(name.endswith(f'_{values["ARCH"] or "all"}.deb'), name)


class Copy(unittest.TestCase):
    """A copy of the scripts with a cache of its own"""

    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix='kernel-test-'))
        self.addCleanup(shutil.rmtree, self.top)
        for name in 'scripts', 'base':
            shutil.copytree(REPO / name, self.top / name)

    def environment(self, **env):
        """Of a script: what a caller's make says is not in it."""
        inherited = {key: value for key, value in os.environ.items()
                     if key not in ('DEBUG', 'LINUX_SRC') and not key.startswith('MAKE')}
        return inherited | {'XDG_CACHE_HOME': str(self.top / 'cache')} | env

    def run_script(self, *args, fails=False, **env):
        done = subprocess.run([self.top / 'scripts' / args[0], *args[1:]], check=False,
                              capture_output=True, text=True, env=self.environment(**env))
        self.assertEqual(done.returncode != 0, fails, done.stdout + done.stderr)
        return done


class BuildTest(Copy):
    """scripts/build-kernel"""

    def setUp(self):
        super().setUp()
        self.source = self.top / 'linux'
        self.source.mkdir()
        (self.source / 'Kbuild').write_text('')
        (self.source / 'Makefile').write_text(MAKEFILE)

    def built(self, name, **env):
        """build/kernel/NAME, from the source above"""
        self.output = self.run_script('build-kernel', name, LINUX_SRC=str(self.source), **env)
        return self.top / 'build/kernel' / name

    def config(self, folder):
        return dict(line.split('=', 1) for line in (folder / 'config').read_text().splitlines())

    def test_unknown_name(self):
        for args in ['build-kernel', 'arm64-nosuch'], ['build-kernel']:
            done = self.run_script(*args, fails=True)
            self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
            for row in rows():
                self.assertIn(f' {row[0]}', done.stderr)

    def test_a_fragment_changes_the_configuration(self):
        plain = self.config(self.built('arm64'))
        large = self.config(self.built('arm64-64k'))
        self.assertEqual(plain['CONFIG_ARM64_4K_PAGES'], 'y')
        self.assertNotIn('CONFIG_ARM64_64K_PAGES', plain)
        self.assertNotIn('CONFIG_ARM64_4K_PAGES', large)
        self.assertEqual(large['CONFIG_ARM64_64K_PAGES'], 'y')
        self.assertEqual({**large, 'CONFIG_ARM64_4K_PAGES': 'y'},
                         {**plain, 'CONFIG_ARM64_64K_PAGES': 'y'})

    def test_each_architecture_has_its_image(self):
        self.assertEqual((self.built('arm64') / 'Image').read_text(), 'Image arm64\n')
        self.assertEqual((self.built('x86_64') / 'bzImage').read_text(), 'bzImage x86_64\n')

    def test_debug(self):
        folder = self.built('x86_64', DEBUG='1')
        self.assertTrue((folder / 'vmlinux').is_file())
        self.assertTrue((folder / 'vmlinux-gdb.py').is_file())
        self.assertEqual(self.config(folder)['CONFIG_GDB_SCRIPTS'], 'y')
        # the other variant takes its place
        self.assertEqual(self.built('x86_64'), folder)
        self.assertFalse((folder / 'vmlinux').exists())
        self.assertNotIn('CONFIG_GDB_SCRIPTS', self.config(folder))

    def test_a_dropped_option_is_a_note(self):
        with (self.top / 'base/linux-arm64.config').open('a') as config:
            config.write('CONFIG_LATER=y\n')
        self.built('arm64')
        self.assertIn('kconfig did not take: CONFIG_LATER=y\n', self.output.stderr)

    def test_an_image_that_stays_the_same_keeps_its_time(self):
        image = self.built('arm64') / 'Image'
        os.utime(image, (1, 1))
        self.built('arm64')
        self.assertEqual(image.stat().st_mtime, 1)
        makefile = self.source / 'Makefile'
        makefile.write_text(makefile.read_text().replace('$@ $(ARCH)', 'other'))
        self.built('arm64')
        self.assertGreater(image.stat().st_mtime, 1)

    def test_one_at_a_time(self):
        lock_file = self.top / 'build/kernel/src/arm64.lock'
        lock_file.parent.mkdir(parents=True)
        with lock_file.open('w') as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with subprocess.Popen([self.top / 'scripts/build-kernel', 'arm64'], text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  env=self.environment(LINUX_SRC=str(self.source))) as second:
                self.assertIn('waiting for another build', second.stderr.readline())
                self.assertFalse((self.top / 'build/kernel/arm64').exists())
                # another one need not wait
                self.built('arm64-64k')
                fcntl.flock(held, fcntl.LOCK_UN)
                second.communicate(timeout=60)
        self.assertEqual(second.returncode, 0)
        self.assertTrue((self.top / 'build/kernel/arm64/Image').exists())

    def test_no_variants_of_a_binary(self):
        for env in {'DEBUG': '1'}, {'LINUX_SRC': str(self.source)}:
            done = self.run_script('build-kernel', 'arm64-stock', fails=True, **env)
            self.assertIn("Debian's binary", done.stderr)

    def test_a_source_that_was_built_in(self):
        (self.source / '.config').write_text('')
        done = self.run_script('build-kernel', 'arm64', fails=True, LINUX_SRC=str(self.source))
        self.assertIn('mrproper', done.stderr)


class CacheTest(Copy):
    """What scripts/build-kernel makes of a locked package, and when it makes it anew"""

    def setUp(self):
        super().setUp()
        deb = self.top / 'deb'
        source = self.top / 'linux-source-9.1'
        (deb / 'usr/src').mkdir(parents=True)
        (deb / 'DEBIAN').mkdir()
        (deb / 'DEBIAN/control').write_text(CONTROL)
        source.mkdir()
        # below the source, as the kernel's makefile has it
        (source / 'Makefile').write_text(MAKEFILE.replace('$(O)', '$(CURDIR)/$(O)'))
        subprocess.run(['tar', '-cJf', deb / 'usr/src/linux-source-9.1.tar.xz', '-C', self.top,
                        source.name], check=True)
        package = self.top / 'cache/qemu-viommu/src/linux/linux-source-9.1_9.1.1-1_all.deb'
        package.parent.mkdir(parents=True)
        subprocess.run(['dpkg-deb', '-b', '--root-owner-group', deb, package], check=True,
                       capture_output=True)
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        (self.top / 'base/linux.lock').write_text(
            'PACKAGES=linux-source-9.1\nSUITE=nosuch\nVERSION=9.1.1-1\nACCEPT=9\n'
            f'SHA256="\n{digest}  {package.name}\n"\n')

    def made(self, name, **env):
        """Is it made by this call?"""
        done = self.run_script('build-kernel', name, **env)
        return f'linux-source-9.1_9.1.1-1_all for {name}\n' in done.stdout

    def test_made_once(self):
        image = self.top / 'build/kernel/x86_64/bzImage'
        self.assertTrue(self.made('x86_64'))
        self.assertEqual(image.read_text(), 'bzImage x86_64\n')
        shutil.rmtree(self.top / 'build')
        self.assertFalse(self.made('x86_64'))
        self.assertEqual(image.read_text(), 'bzImage x86_64\n')

    def test_made_anew(self):
        self.assertTrue(self.made('x86_64'))
        self.assertTrue(self.made('x86_64', DEBUG='1'))
        self.assertTrue((self.top / 'build/kernel/x86_64/vmlinux').exists())
        self.assertFalse(self.made('x86_64'))
        self.assertFalse((self.top / 'build/kernel/x86_64/vmlinux').exists())
        self.assertFalse(self.made('x86_64', DEBUG='1'))
        for name in 'linux.lock', 'linux-x86_64.config':
            with (self.top / 'base' / name).open('a') as file:
                file.write('ANOTHER=y\n')
            self.assertTrue(self.made('x86_64'), name)
        with (self.top / 'base/linux-arm64.config').open('a') as file:
            file.write('ANOTHER=y\n')
        self.assertFalse(self.made('x86_64'))


class LaterTest(Copy):
    """What scripts/fetch makes of an archive that has another version than the lock"""

    def setUp(self):
        super().setUp()
        bin_dir = self.top / 'bin'
        bin_dir.mkdir()
        (self.top / 'packages').mkdir()
        # apt-cache madison PACKAGE, and apt-get download PACKAGE=VERSION
        (bin_dir / 'apt-cache').write_text(f'''#!/bin/bash
while [ "$1" != madison ]; do shift; done
grep -h "^ *$2 |" {self.top}/madison || true
''')
        (bin_dir / 'apt-get').write_text(f'''#!/bin/bash
case "$*" in
    *indextargets*) echo http://archive.invalid/debian/ ;;
    *" download "*)
        package=${{@: -1}} arch=all
        case $package in *-arm64=*) arch=arm64 ;; esac
        echo "$package" >"${{package%=*}}_${{package#*=}}_$arch.deb"
        ;;
esac
''')
        for script in bin_dir.iterdir():
            script.chmod(0o755)
        self.path = f'{bin_dir}:{os.environ["PATH"]}'

    def archive(self, *packages):
        (self.top / 'madison').write_text(''.join(
            f' {name} | {version} | http://archive.invalid/debian trixie-backports/main arm64 '
            'Packages\n' for name, version in packages))

    def fetch(self, what, fails=False):
        return self.run_script('fetch', what, fails=fails, PATH=self.path)

    def test_later_source(self):
        new = '7.14.2-1~bpo13+1'
        self.archive(('linux-libc-dev', new), ('linux-source-7.14', new),
                     ('linux-libc-dev', '7.15.1-1~bpo13+1'), ('linux-libc-dev', '8.0.1-1~bpo13+1'),
                     ('linux-source-8.0', '8.0.1-1~bpo13+1'))
        done = self.fetch('linux')
        self.assertEqual(Path(done.stdout.strip()).name, f'linux-source-7.14_{new}_all.deb')
        self.assertIn(f'note: the archive has version {new}', done.stderr)
        # a second time without the archive's files
        self.assertEqual(self.fetch('linux').stdout, done.stdout)

    def test_later_binaries(self):
        new = '7.14.2-1~bpo13+1'
        names = [f'linux-{part}-7.14.2+deb13-arm64' for part in ('base', 'binary', 'modules')]
        self.archive(('linux-libc-dev', new), *((name, new) for name in names))
        done = self.fetch('linux-stock-arm64')
        self.assertEqual([Path(line).name for line in done.stdout.splitlines()],
                         [f'{name}_{new}_arm64.deb' for name in names])
        self.assertIn(f'note: the archive has version {new}', done.stderr)

    def test_nothing_accepted(self):
        self.archive(('linux-libc-dev', '7.14.2-1~bpo13+1'),
                     ('linux-source-7.14', '7.14.2-1~bpo13+1'))
        done = self.fetch('linux-7.2', fails=True)
        self.assertIn('error: trixie-backports has no Linux 7.2.y', done.stderr)

    def test_another_file_than_the_locked_one(self):
        values = lock(REPO / 'base/linux-7.2.lock')
        self.archive(('linux-libc-dev', values['VERSION']),
                     (values['PACKAGES'], values['VERSION']))
        self.assertIn('has a wrong SHA-256', self.fetch('linux-7.2', fails=True).stderr)


class StockTest(unittest.TestCase):
    """scripts/stock-kernel.py, with a package of the test's own"""

    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix='stock-test-'))
        self.addCleanup(shutil.rmtree, self.top)
        self.modules = self.top / 'deb/usr/lib/modules/9.1'
        (self.modules / 'kernel/drivers').mkdir(parents=True)
        (self.modules / 'vmlinuz').write_bytes(b'\0' * 0x202 + b'HdrS' + b'\0' * 64)
        (self.modules / 'config').write_text('CONFIG_TEST=y\n')
        (self.modules / 'modules.builtin').write_text('kernel/drivers/virtio-pci.ko\n')

    def module(self, name, *modinfo):
        """An object file with that .modinfo, compressed"""
        text = ''.join(f'const char s{i}[] __attribute__((section(".modinfo"), used)) = "{line}";'
                       for i, line in enumerate(modinfo))
        path = self.modules / f'kernel/drivers/{name}.ko'
        subprocess.run(['gcc', '-x', 'c', '-c', '-', '-o', path], input=text, text=True, check=True)
        subprocess.run(['xz', path], check=True)

    def unpack(self, *wanted):
        control = self.top / 'deb/DEBIAN'
        control.mkdir(exist_ok=True)
        (control / 'control').write_text(CONTROL)
        subprocess.run(['dpkg-deb', '-b', '--root-owner-group', self.top / 'deb',
                        self.top / 'test.deb'], check=True, capture_output=True)
        (self.top / 'list').write_text('# comment\n' + ''.join(f'{name}\n' for name in wanted))
        self.out = self.top / 'out'
        return subprocess.run([REPO / 'scripts/stock-kernel.py', self.out, 'bzImage',
                               self.top / 'list', self.top / 'test.deb'],
                              capture_output=True, text=True, check=False)

    def test_order(self):
        self.module('top-one', 'license=GPL', 'depends=middle,low-est', 'name=top_one')
        self.module('middle', 'depends=low_est')
        self.module('low-est', 'depends=', 'softdep=pre: early post: late')
        self.module('early', 'depends=')
        self.module('late', 'depends=')
        self.module('unwanted', 'depends=')
        done = self.unpack('virtio_pci', 'top_one', 'middle')
        self.assertEqual(done.returncode, 0, done.stderr)
        load = (self.out / 'modules/load').read_text().splitlines()
        self.assertEqual([Path(path).stem for path in load],
                         ['early', 'low-est', 'middle', 'top-one'])
        found = {str(path.relative_to(self.out / 'modules'))
                 for path in (self.out / 'modules').rglob('*.ko*')}
        self.assertEqual(found, set(load))
        for path in load:
            self.assertTrue(path.startswith('lib/modules/9.1/kernel/'), path)
            self.assertEqual((self.out / 'modules' / path).read_bytes()[:4], b'\x7fELF')
        self.assertTrue((self.out / 'bzImage').is_file())
        self.assertEqual((self.out / 'config').read_text(), 'CONFIG_TEST=y\n')

    def test_a_module_that_is_missing(self):
        self.module('top', 'depends=nosuch')
        done = self.unpack('top')
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, re.compile('^error: .*/top.ko needs nosuch', re.M))

    def test_another_image(self):
        (self.modules / 'vmlinuz').write_bytes(b'\0' * 1024)
        done = self.unpack('virtio_pci')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('error: the kernel in the package is no bzImage', done.stderr)


if __name__ == '__main__':
    report.main()
