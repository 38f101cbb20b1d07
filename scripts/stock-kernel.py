#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack one of Debian's own kernels for the lab: stock-kernel.py FOLDER IMAGE LIST DEB...

FOLDER gets the kernel as IMAGE, its config, and modules/: a tree lib/modules with the modules
that LIST names and those that they depend on, uncompressed, and the file modules/load with
their paths in the order in which insmod takes them.
"""

import lzma
import re
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path


def die(text):
    """End with a message."""
    sys.exit(f'error: {text}')


def files_of(deb):
    """Yield (path, content) of the regular files in a package."""
    with subprocess.Popen(['dpkg-deb', '--fsys-tarfile', deb], stdout=subprocess.PIPE) as dpkg:
        with tarfile.open(fileobj=dpkg.stdout, mode='r|') as tar:
            for member in tar:
                if member.isfile():
                    yield member.name.lstrip('./'), tar.extractfile(member).read()
    if dpkg.returncode:
        die(f'{deb} cannot be unpacked')


def plain(name):
    """A module's name, as the kernel has it, from a path or from another spelling."""
    return re.sub(r'\.ko(\.\w+)?$', '', name.rsplit('/', 1)[-1]).replace('-', '_')


def decompress(path, data):
    """The module, and its path without the suffix of a compression."""
    if path.endswith('.xz'):
        return path[:-3], lzma.decompress(data)
    if path.endswith('.zst'):
        done = subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True)
        return path[:-4], done.stdout
    return path, data


def modinfo(elf):
    """The strings KEY=VALUE in the section .modinfo of a 64-bit little-endian module."""
    offset, = struct.unpack_from('<Q', elf, 0x28)
    size, count, names = struct.unpack_from('<HHH', elf, 0x3a)
    sections = [struct.unpack_from('<IIQQQQ', elf, offset + i * size) for i in range(count)]
    for name, _, _, _, start, length in sections:
        at = sections[names][4] + name
        if elf[at:at + 9] == b'.modinfo\0':
            return elf[start:start + length].decode(errors='replace').strip('\0').split('\0')
    return []


def before(elf):
    """The modules that have to be there before this one."""
    needed = []
    for line in modinfo(elf):
        key, _, value = line.partition('=')
        if key == 'depends':
            needed += [name for name in value.split(',') if name]
        elif key == 'softdep' and 'pre:' in value:
            needed += value.split('pre:')[1].split('post:')[0].split()
    return [plain(name) for name in needed]


class Modules:
    """The modules of a kernel, in the order in which they are loaded."""

    def __init__(self, packed, builtin):
        self.packed = {plain(path): (path, data) for path, data in packed.items()}
        self.builtin = {plain(path) for path in builtin}
        self.order = {}

    def add(self, name, by):
        """Have a module loaded, after those that it needs."""
        if name in self.order or name in self.builtin:
            return
        if name not in self.packed:
            die(f'{by} needs {name}, which is neither a module of this kernel nor built in')
        path, data = decompress(*self.packed[name])
        for other in before(data):
            self.add(other, path)
        self.order[name] = (path, data)


def check_image(name, data):
    """QEMU takes for -kernel: a bzImage, or for arm64 an Image, plain or as EFI zboot."""
    if name == 'Image':
        good = data[0x38:0x3c] == b'ARM\x64' or data[4:8] == b'zimg'
    else:
        good = data[0x202:0x206] == b'HdrS'
    if not good:
        die(f'the kernel in the package is no {name}')


def main(folder, image, wanted, *debs):
    """Write what is wanted of the packages."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed, builtin = {}, []
    for deb in debs:
        for path, data in files_of(deb):
            name = path.rsplit('/', 1)[-1]
            if re.search(r'\.ko(\.\w+)?$', path):
                packed[re.sub('^usr/', '', path)] = data
            elif name == 'vmlinuz' or name.startswith('vmlinuz-'):
                check_image(image, data)
                (folder / image).write_bytes(data)
            elif name == 'config' or name.startswith('config-'):
                (folder / 'config').write_bytes(data)
            elif name == 'modules.builtin':
                builtin = data.decode().split()
    if not (folder / image).exists():
        die('there is no kernel in ' + ' '.join(debs))
    modules = Modules(packed, builtin)
    for line in Path(wanted).read_text().splitlines():
        if line and line[0] != '#':
            modules.add(plain(line), Path(wanted).name)
    for path, data in modules.order.values():
        target = folder / 'modules' / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    load = ''.join(f'{path}\n' for path, _ in modules.order.values())
    (folder / 'modules').mkdir(exist_ok=True)
    (folder / 'modules/load').write_text(load)


if __name__ == '__main__':
    main(*sys.argv[1:])
