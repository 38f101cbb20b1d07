# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what a run boots: programs, L2's initrd, L1's root. Nothing here needs root or a mount."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import parts
from .parts import BUILD, LAB, LabError

TOOLS = BUILD / 'lab' / 'bin'


def call(*command, **kwargs):
    """Runs a program; its messages are part of the error if it fails."""
    env = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=env, check=False, **kwargs)
    if done.returncode:
        raise LabError(f'{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


def built(target, sources, *command):
    """@target, compiled anew if one of @sources is younger. Runs at the same time do no harm."""
    newest = max(Path(source).stat().st_mtime for source in sources)
    if not target.exists() or target.stat().st_mtime < newest:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f'{target.name}.{os.getpid()}')
        call(*command, '-o', new, sources[0])
        new.rename(target)
    return target


def local_tool(name):
    """A program of lab/guest, for this machine."""
    return built(TOOLS / name, [LAB / 'guest' / f'{name}.c'], 'gcc', '-O2', '-Wall')


def tool(arch, name, directory='guest'):
    """A static program for L1 and L2."""
    includes = [word for path in parts.uapi(arch) for word in ('-isystem', path)]
    return built(TOOLS / arch.name / name, [LAB / directory / f'{name}.c'], arch.cross + 'gcc',
                 '-O2', '-Wall', '-static', *includes)


def interposer(arch):
    """The library that stands between QEMU and the kernel."""
    compiler = [arch.cross + 'gcc', *(word for path in parts.uapi(arch)
                                      for word in ('-isystem', path))]
    directory = TOOLS / arch.name / 'interpose'
    table = directory / 'ioctl-names.h'
    text = call(LAB / 'shim' / 'ioctl-names', *compiler)
    if not table.exists() or table.read_text() != text:
        directory.mkdir(parents=True, exist_ok=True)
        new = directory / f'ioctl-names.{os.getpid()}'
        new.write_text(text)
        new.rename(table)
    sources = sorted((LAB / 'shim').glob('interpose*.c'))
    newest = [*sources, table, *(LAB / 'shim').glob('interpose*.h')]
    return built(TOOLS / arch.name / 'interpose.so', newest, *compiler, '-O2', '-Wall', '-shared',
                 '-fPIC', '-pthread', '-I', directory, *sources[1:])


def put_busybox(arch, directory):
    """busybox, and sh as a link to it, in @directory"""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(parts.busybox(arch), directory / 'busybox')
    if not (directory / 'sh').exists():
        (directory / 'sh').symlink_to('busybox')


def make_writable(tree):
    """So that all of @tree can be packed, and removed"""
    subprocess.run(['chmod', '-R', 'u+rwX', str(tree)], check=True)


def pack(stage):
    """@stage as a compressed cpio archive, and removed"""
    make_writable(stage)
    archive = subprocess.run('find . | LC_ALL=C sort | cpio -o --quiet -H newc -R 0:0 | gzip -1',
                             shell=True, cwd=stage, check=True, stdout=subprocess.PIPE).stdout
    shutil.rmtree(stage)
    return archive


def make_initrd(arch, out, tools, kernel):
    """L2's initrd: busybox, all tests of lab/guest and the programs named; modules of @kernel"""
    stage = out / 'stage.l2'
    shutil.rmtree(stage, ignore_errors=True)
    for name in ('bin', 'lab', 'dev'):
        (stage / name).mkdir(parents=True)
    put_busybox(arch, stage / 'bin')
    for name in ['result', *tools]:
        shutil.copy(tool(arch, name), stage / 'bin' / name)
    for script in (LAB / 'guest').iterdir():
        if script.suffix != '.c' and script.name != 'init':
            shutil.copy(script, stage / 'lab' / script.name)
    shutil.copy(LAB / 'guest' / 'init', stage / 'init')
    modules = parts.kernel_modules(kernel)
    if modules:
        shutil.copytree(modules, stage / 'modules', symlinks=True)
    return pack(stage)


def libraries_of(arch, program, libs=None):
    """The shared libraries that @program needs, and those that these need, by path"""
    if libs is None:
        return re.findall(r'^\t(?:.* => )?(/\S*) \(', call('ldd', program), re.M)
    found, queue = {}, [program]
    while queue:
        out = call(arch.cross + 'readelf', '-d', queue.pop())
        for name in re.findall(r'\(NEEDED\).*\[(.*)\]', out):
            if name not in found:
                path = next(iter(Path(libs).resolve().glob(f'**/{name}')), None)
                if path is None:
                    raise LabError(f'{name} is not in {libs}', "run 'make qemu'")
                found[name] = path
                queue.append(path)
    return list(found.values())


def put_program(arch, program, libs, stage, name=None):
    """@program in bin of @stage, without symbols, and its libraries in lib"""
    call(arch.cross + 'strip', '-o', stage / 'bin' / (name or Path(program).name), program)
    for library in libraries_of(arch, program, libs):
        shutil.copy(library, stage / 'lib' / Path(library).name)


def put_peer(arch, peer, qemu, share, stage):
    """Another QEMU in /peer, with the libraries of its own distribution"""
    for name in ('lib', 'share'):
        (stage / 'peer' / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(qemu, stage / 'peer' / 'qemu')
    for file in share:
        shutil.copy(file, stage / 'peer' / 'share' / Path(file).name)
    for library in libraries_of(arch, qemu, peer):
        shutil.copy(library, stage / 'peer' / 'lib' / Path(library).name)
    for loader in (stage / 'peer' / 'lib').glob('ld-linux*'):
        (stage / 'peer' / 'lib' / 'ld.so').symlink_to(loader.name)


def put_tree(tree, stage):
    """The user space of a distribution, without what only people read"""
    subprocess.run(
        f"tar -cf - -C '{Path(tree).resolve()}' --exclude=./usr/share/{{doc,man,locale,info}} "
        "--exclude=./usr/share/bash-completion --exclude=./usr/lib/*/gconv "
        f"--exclude=./usr/lib/*/perl-base . | tar -xf - -C '{stage}'",
        shell=True, executable='/bin/bash', check=True)
    if (stage / 'usr' / 'lib64').is_dir():
        (stage / 'lib64').symlink_to('usr/lib64')


class Root:
    """L1's root file system while it is put together."""

    def __init__(self, arch, out):
        self.arch = arch
        self.image = out / 'root.img'
        self.stage = out / 'stage.l1'
        if self.stage.exists():
            make_writable(self.stage)
            shutil.rmtree(self.stage)
        self.stage.mkdir(parents=True)

    def skeleton(self):
        """What every L1 has"""
        for name in ('bin', 'lib', 'dev', 'proc', 'sys', 'tmp', 'lab'):
            (self.stage / name).mkdir(parents=True, exist_ok=True)
        # where x86_64 programs expect their loader
        if not (self.stage / 'lib64').exists():
            (self.stage / 'lib64').symlink_to('lib')
        put_busybox(self.arch, self.stage / 'bin')
        shutil.copy(LAB / 'host' / 'init', self.stage / 'init')
        shutil.copy(tool(self.arch, 'agent', 'host'), self.stage / 'bin' / 'agent')

    def put(self, source, name):
        """A file of this machine as @name, a path in L1"""
        target = self.stage / name.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(['cp', '-L', '--sparse=always', str(source), str(target)], check=True)

    def write(self, name, data):
        """Bytes or text as a file"""
        target = self.stage / name.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def finish(self, spare_mb=64):
        """The image, as ext4"""
        make_writable(self.stage)
        size = int(call('du', '-sm', self.stage).split()[0]) + spare_mb
        self.image.unlink(missing_ok=True)
        call('truncate', '-s', f'{size}M', self.image)
        call('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-d', self.stage, self.image)
        shutil.rmtree(self.stage)
