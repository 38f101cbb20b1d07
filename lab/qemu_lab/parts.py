# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the parts of a run come from: what make has built, or what LAB_* variables name."""

import os
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
LAB = REPO / 'lab'
BUILD = REPO / 'build'


class LabError(Exception):
    """What a user can mend: a message, and a remedy."""

    def __init__(self, message, remedy=None):
        super().__init__(message)
        self.remedy = remedy


def need(path, remedy):
    """@path as a Path if it is there; else LabError with the remedy."""
    path = Path(path)
    if not path.exists():
        raise LabError(f'{path} is missing', remedy)
    return path


@dataclass(frozen=True)
class Arch:
    """What differs by architecture between hosts of the lab."""
    name: str
    qemu: str
    cross: str
    second_console: str
    image: str
    triplet: str


ARCHES = {
    'arm64': Arch('arm64', 'qemu-system-aarch64', 'aarch64-linux-gnu-', 'ttyAMA1', 'Image',
                  'aarch64-linux-gnu'),
    'x86': Arch('x86', 'qemu-system-x86_64', '', 'ttyS1', 'bzImage', 'x86_64-linux-gnu'),
}


def l0_qemu(arch):
    """The emulator of L0."""
    return need(os.environ.get('LAB_L0_QEMU') or BUILD / 'bin' / arch.qemu, "run 'make qemu'")


def l1_qemu(arch):
    """L1's QEMU. On x86 it is that of this machine."""
    default = BUILD / 'bin' / ('arm64' if arch.name == 'arm64' else '') / arch.qemu
    return need(os.environ.get('LAB_L1_QEMU') or default, "run 'make qemu'")


def l1_libs(arch):
    """The directory with the libraries of L1's QEMU, or None for this machine's."""
    if os.environ.get('LAB_L1_LIBS'):
        return Path(os.environ['LAB_L1_LIBS'])
    return BUILD / 'sysroot-arm64' if arch.name == 'arm64' else None


def busybox(arch):
    """A static busybox of the architecture."""
    default = BUILD / ('sysroot-arm64' if arch.name == 'arm64' else 'base-packages')
    path = need(os.environ.get('LAB_BUSYBOX') or default, "run 'make qemu'")
    if path.is_file():
        return path
    for found in path.resolve().glob('**/bin/busybox'):
        if found.is_file() and not found.is_symlink():
            return found
    raise LabError(f'there is no busybox in {path}', "run 'make qemu'")


def firmware(name):
    """A file of build/firmware."""
    directory = Path(os.environ.get('LAB_FIRMWARE') or BUILD / 'firmware')
    return need(directory / name, "run 'make qemu'")


def kernel(name, arch):
    """The image of a kernel: a name that scripts/build-kernel knows, or a file."""
    if '/' in name:
        return need(name, 'name a file, or a kernel that scripts/build-kernel knows')
    return need(BUILD / 'kernel' / name / arch.image, f"run 'make kernel KERNEL={name}'")


def kernel_modules(name):
    """The directory of modules that a kernel has to load before it finds its devices, or None."""
    path = BUILD / 'kernel' / name / 'modules'
    return path if '/' not in name and path.is_dir() else None


def uapi(arch):
    """Include directories with the headers of the kernel that the lab runs."""
    path = need(BUILD / 'uapi', "run 'make kernel'")
    return [path / arch.triplet, path]
