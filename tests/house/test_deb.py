#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages that `make deb` has built: lintian, reproducible, no trace but their own."""

import fnmatch
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import report
from snapshot import snapshot

REPO = Path(__file__).resolve().parent.parent.parent
BUILD = REPO / 'build'
# What QEMU loads for devices and machines that guests on amd64 and arm64 have
ROMS = rb'(?:bios|vgabios|efi-|pxe-|kvmvapic|linuxboot|multiboot|pvh|qboot)[\w.-]*\.(?:rom|bin)'
# and where base/qemu-*.args has it look for them
PLACES = 'usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu'


def run(*args, **kwargs):
    done = subprocess.run(list(map(str, args)), capture_output=True, check=False, **kwargs)
    if done.returncode:
        raise AssertionError(f'{" ".join(map(str, args[:6]))}: {done.returncode}\n' +
                             (done.stderr + done.stdout).decode(errors='replace')[-3000:])
    return done.stdout


def debs(folder=BUILD / 'deb'):
    return {deb.stem.rsplit('_', 1)[1]: deb for deb in Path(folder).glob('*.deb')}


@functools.lru_cache(maxsize=None)
def files_of(deb):
    """The paths of all but folders"""
    out = subprocess.run(['tar', '-tvf', '-'], input=run('dpkg-deb', '--fsys-tarfile', deb),
                         capture_output=True, check=True).stdout.decode()
    rows = [line.split(None, 5) for line in out.splitlines()]
    return {re.sub(r' (->|link to) .*', '', row[5])[2:] for row in rows if row[0][0] != 'd'}


def field(deb, name):
    return run('dpkg-deb', '-f', deb, name).decode().strip()


def depends(deb):
    """{package: version or None}"""
    found = {}
    for entry in field(deb, 'Depends').split(','):
        name, version = re.fullmatch(r'([\w.+-]+)(?: \(>= (.*)\))?', entry.strip()).groups()
        found[name] = version
    return found


class Deb(unittest.TestCase):
    """What the cases share."""

    @classmethod
    def setUpClass(cls):
        cls.debs = debs()
        cls.top = Path(tempfile.mkdtemp(prefix='deb-test-'))
        cls.addClassCleanup(shutil.rmtree, cls.top)
        for arch, deb in cls.debs.items():
            run('dpkg-deb', '-x', deb, cls.top / arch)
        run(REPO / 'scripts/private', 'distribution')
        cls.distribution = {deb.name.split('_')[0]: deb
                            for deb in (BUILD / 'distribution').glob('*.deb')}

    def binaries(self, arch):
        found = sorted((self.top / arch / 'usr/bin').iterdir())
        self.assertTrue(found)
        return found


class PackageTest(Deb):
    """Their content."""

    def test_there_is_one_for_each_architecture(self):
        self.assertEqual(set(self.debs), {'amd64', 'arm64'}, 'run: make deb')
        for arch, machine in ('amd64', b'X86-64'), ('arm64', b'AArch64'):
            for binary in self.binaries(arch):
                self.assertIn(machine, run('readelf', '-h', binary), binary.name)

    def test_lintian(self):
        done = subprocess.run(['lintian', '--tag-display-limit', '0', '--fail-on', 'error,warning',
                               *self.debs.values()], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ''), done.stderr)

    def test_dependencies_have_the_libraries(self):
        for arch, deb in self.debs.items():
            admin = ['--admindir', BUILD / 'sysroot-arm64/var/lib/dpkg'] if arch == 'arm64' else []
            wanted = depends(deb)
            for binary in self.binaries(arch):
                for name in re.findall(r'NEEDED.*\[(.*)\]', run('readelf', '-d', binary).decode()):
                    with self.subTest(arch=arch, binary=binary.name, library=name):
                        owners = run('dpkg-query', *admin, '-S', f'*/{name}').decode()
                        owner = {line.split(':')[0] for line in owners.splitlines()
                                 if 'cross' not in line}
                        self.assertTrue(owner & set(wanted), f'{owners} {wanted}')
                        self.assertTrue(wanted[(owner & set(wanted)).pop()], 'no version')

    def test_dependencies_have_the_firmware(self):
        for arch, deb in self.debs.items():
            there = set()
            for name in set(depends(deb)) & set(self.distribution):
                there |= {path.rsplit('/', 1)[1] for path in files_of(self.distribution[name])
                          if path.rsplit('/', 1)[0] in PLACES}
            for binary in self.binaries(arch):
                roms = {name.decode() for name in re.findall(ROMS, binary.read_bytes())}
                # only what QEMU has a file for: a help text names examples
                roms = {name for name in roms if (BUILD / 'firmware' / name).exists()}
                self.assertIn('efi-virtio.rom', roms)
                self.assertEqual(roms - there, set(), f'{binary.name} of {arch} needs it')

    def test_it_looks_for_firmware_where_the_dependencies_have_it(self):
        binary = self.top / 'amd64/usr/bin/qemu-viommu-system-aarch64'
        places = run(binary, '-L', 'help').decode().split()
        self.assertEqual([os.path.normpath(path) for path in places],
                         [str(self.top / 'amd64/usr/share/qemu-viommu'),
                          *('/' + path for path in PLACES)])

    def test_firmware_descriptors_fit_the_machine_types(self):
        share = BUILD / 'base-packages/usr/share/qemu/firmware'
        for target, kind in ('aarch64', r'virt-[\w.]+-viommu'), ('x86_64', r'pc-q35-[\w.]+-viommu'):
            out = run(self.top / f'amd64/usr/lib/qemu-viommu/bin/qemu-system-{target}',
                      '-machine', 'help').decode()
            machines = set(re.findall(rf'^({kind}) ', out, re.M))
            self.assertTrue(machines, out)
            for machine in machines:
                found = []
                for path in share.glob('*.json'):
                    text = json.loads(path.read_text())
                    files = [part['filename'] for part in text['mapping'].values()
                             if isinstance(part, dict)]
                    found += [path.name for place in text['targets']
                              if place['architecture'] == target and files
                              and any(fnmatch.fnmatch(machine, p) for p in place['machines'])
                              and all((BUILD / f'base-packages{name}').exists() for name in files)]
                self.assertTrue(found, f'no UEFI for {machine}')

    def test_documents_and_manuals(self):
        docs = {str(path.relative_to(REPO)) for path in REPO.glob('docs/**/*') if path.is_file()}
        for arch, deb in self.debs.items():
            files = files_of(deb)
            doc = 'usr/share/doc/qemu-viommu'
            self.assertEqual({f'{doc}/{path}' for path in [*docs, 'README.md', 'copyright',
                                                           'changelog.gz']} - files, set())
            for binary in self.binaries(arch):
                self.assertIn(f'usr/share/man/man1/{binary.name}.1.gz', files)


class ReproducibleTest(Deb):
    """The same bytes, wherever, whenever and by whomever it is built."""

    def test_two_builds_give_the_same_packages(self):
        env = dict(os.environ, VIOMMU_DEB=str(self.top / 'again'), TZ='Pacific/Chatham',
                   LC_ALL='C.UTF-8', DPKG_DEB_THREADS_MAX='1')
        run('sh', '-c', f'umask 077 && {REPO}/scripts/deb', env=env)
        again = debs(self.top / 'again')
        self.assertEqual(set(again), set(self.debs))
        for arch, deb in self.debs.items():
            self.assertEqual(deb.name, again[arch].name)
            self.assertEqual(deb.read_bytes(), again[arch].read_bytes(), f'{arch} differs')

    def test_no_path_of_the_build_is_in_them(self):
        places = {str(REPO), str(BUILD.resolve()),
                  str((BUILD / 'sysroot-arm64').resolve().parent)}
        for arch in self.debs:
            for path in (self.top / arch).rglob('*'):
                if path.is_file() and not path.is_symlink():
                    found = [place for place in places if place.encode() in path.read_bytes()]
                    self.assertEqual(found, [], path)

    def elsewhere(self, kind):
        """A build folder with another path, whose content is that of build/obj"""
        there = self.top / 'elsewhere'
        if not (there / 'build/tree').is_symlink():
            (there / 'build/obj').mkdir(parents=True)
            for name in 'tree', 'sysroot-arm64':
                (there / 'build' / name).symlink_to((BUILD / name).resolve())
        if not (there / 'build/obj' / kind).exists():
            run('cp', '-as', BUILD / 'obj' / kind, there / 'build/obj')
        return there / 'build/obj' / kind

    def again(self, kind, output, command, cwd):
        """Repeat the build's command for an output in another folder, without ccache"""
        (cwd / output).unlink()
        command = command.replace(str(BUILD), str(self.top / 'elsewhere/build'))
        args = [arg for arg in shlex.split(command) if arg != 'ccache']
        # What it writes must not go through a link into the build.
        if '-MF' in args:
            args[args.index('-MF') + 1] = str(self.top / 'deps')
        run(*args, cwd=cwd, env=dict(os.environ, CCACHE_DISABLE='1'))
        self.assertEqual((cwd / output).read_bytes(), (BUILD / 'obj' / kind / output).read_bytes(),
                         f'{output} of {kind} depends on the path')

    def test_objects_are_the_same_in_another_folder(self):
        sources = 'hw/arm/smmuv3-accel.c', 'hw/i386/amd_iommu_dma_remap.c', 'hw/pci/pci.c', \
            'backends/iommufd.c', 'hw/vfio/pci.c'
        for kind, least in ('native', 5), ('arm64', 4):
            cwd, count = self.elsewhere(kind), 0
            for row in json.loads((BUILD / 'obj' / kind / 'compile_commands.json').read_text()):
                built = BUILD / 'obj' / kind / row['output']
                if row['file'].endswith(sources) and built.exists():
                    self.again(kind, row['output'], row['command'], cwd)
                    count += 1
            self.assertGreaterEqual(count, least)

    def test_decoders_are_the_same_whatever_the_hashes(self):
        for kind, least in ('native', 10), ('arm64', 1):
            cwd, obj, count = self.elsewhere(kind), BUILD / 'obj' / kind, 0
            for step in json.loads(run('ninja', '-t', 'compdb', '-x', cwd=obj)):
                if 'decodetree.py' not in step['command'] or not (obj / step['output']).exists():
                    continue
                (cwd / step['output']).unlink()
                run(*shlex.split(step['command']), cwd=cwd,
                    env=dict(os.environ, PYTHONHASHSEED='0'))
                self.assertEqual((cwd / step['output']).read_bytes(),
                                 (obj / step['output']).read_bytes(), step['output'])
                count += 1
            self.assertGreaterEqual(count, least)

    def test_emulators_are_the_same_in_another_folder(self):
        cwd = self.elsewhere('native')
        for output in 'qemu-system-aarch64', 'qemu-system-x86_64':
            steps = json.loads(run('ninja', '-t', 'compdb', '-x', cwd=BUILD / 'obj/native'))
            command, = (step['command'] for step in steps if step['output'] == output)
            self.again('native', output, command, cwd)


class BesideTest(Deb):
    """The distribution's packages stay as they are."""

    def test_no_file_is_shared(self):
        self.assertIn('usr/bin/qemu-system-x86_64', files_of(self.distribution['qemu-system-x86']))
        for name, other in self.distribution.items():
            theirs = files_of(other)
            self.assertTrue(theirs, name)
            for arch, deb in self.debs.items():
                self.assertEqual(files_of(deb) & theirs, set(), f'{arch} and {name}')

    def test_no_program_runs_when_it_is_installed(self):
        for deb in self.debs.values():
            control = self.top / f'control-{deb.name}'
            run('dpkg-deb', '-e', deb, control)
            self.assertEqual({path.name for path in control.iterdir()} -
                             {'control', 'md5sums', 'conffiles'}, set())
            for name in 'Provides', 'Replaces', 'Conflicts', 'Breaks', 'Pre-Depends':
                self.assertEqual(field(deb, name), '')

    def repack(self, deb, change):
        """The package with its files and control files changed"""
        name = tempfile.mkdtemp(dir=self.top)
        run('dpkg-deb', '-R', deb, f'{name}/x')
        change(Path(name) / 'x')
        run('dpkg-deb', '--root-owner-group', '-Znone', '-b', f'{name}/x', f'{name}/new.deb')
        shutil.rmtree(f'{name}/x')
        return f'{name}/new.deb'

    def dpkg(self, *args):
        run('fakeroot', 'dpkg', f'--root={self.root}', '--force-not-root', '--force-depends',
            '--log=/dev/null', *args,
            env=dict(os.environ, PATH='/usr/sbin:/sbin:' + os.environ['PATH']))

    def seen(self):
        return {path: what for path, what in snapshot(self.root).items()
                if not path.startswith('var/lib/dpkg')}

    def test_install_upgrade_remove_purge(self):
        self.root = self.top / 'root'
        for name in 'info', 'updates', 'triggers':
            (self.root / 'var/lib/dpkg' / name).mkdir(parents=True)
        (self.root / 'var/lib/dpkg/status').touch()

        def without_scripts(folder):
            # Those would need the rest of a system; files are what we look at.
            for name in 'preinst', 'postinst', 'prerm', 'postrm', 'config', 'triggers':
                (folder / 'DEBIAN' / name).unlink(missing_ok=True)

        others = [self.repack(self.distribution[name], without_scripts)
                  for name in ('libvirt-daemon-driver-qemu', 'qemu-system-arm',
                               'qemu-system-common', 'qemu-system-data', 'qemu-system-x86')]
        self.dpkg('--unpack', *others)
        before = self.seen()
        self.assertIn('usr/bin/qemu-system-x86_64', before)

        deb = self.debs[run('dpkg', '--print-architecture').decode().strip()]
        self.dpkg('--install', deb)
        after = self.seen()
        self.assertEqual({path: after.get(path) for path in before}, before)
        ours = {path for path in set(after) - set(before) if after[path][0] != 'folder'}
        self.assertEqual(ours, files_of(deb))

        readme = 'usr/share/doc/qemu-viommu/README.md'
        conffile = 'etc/apparmor.d/abstractions/libvirt-qemu.d/qemu-viommu'

        def later(folder):
            control = folder / 'DEBIAN/control'
            control.write_text(re.sub(r'(?m)^(Version: .*)', r'\1+later', control.read_text()))
            (folder / readme).rename(folder / (readme + '.new'))
            (folder / conffile).write_text('# later\n')

        self.dpkg('--install', self.repack(deb, later))
        after = self.seen()
        self.assertEqual({path: after.get(path) for path in before}, before)
        self.assertEqual({path for path in set(after) - set(before) if after[path][0] != 'folder'},
                         ours - {readme} | {readme + '.new'})
        self.assertEqual((self.root / conffile).read_text(), '# later\n')

        self.dpkg('--remove', 'qemu-viommu')
        after = self.seen()
        self.assertEqual({path: after.get(path) for path in before}, before)
        self.assertEqual({path for path in set(after) - set(before) if after[path][0] != 'folder'},
                         {conffile})
        self.dpkg('--purge', 'qemu-viommu')
        self.assertEqual(self.seen(), before)


if __name__ == '__main__':
    report.main()
