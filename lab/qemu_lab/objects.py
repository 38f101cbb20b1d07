# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects that a QEMU of L1 has in iommufd, by its kernel (lab/host/iommufd-objects.c)."""

from collections import Counter

from . import images

TOOL = 'iommufd-objects'


def put_tool(arch, root):
    """For fill_root() of a test that asks for objects"""
    root.put(images.tool(arch, TOOL, 'host'), f'/bin/{TOOL}')


def objects(guest):
    """
    What QEMU has now: a Counter by type. No iommufd is no object; two of them are an error.

    An ID that is reserved without an object counts as "reserved".
    """
    lines = guest.host.run(f'{TOOL} $(cat /tmp/{guest.name}.pid)').split('\n')
    rows = [line.split() for line in lines if line]
    files = {fd for fd, _, _ in rows}
    assert len(files) <= 1, f'QEMU has {len(files)} iommufds'
    ids = {int(number) for _, number, kind in rows if kind != 'free'}
    count = Counter(kind for _, _, kind in rows if kind != 'free')
    for _, number, kind in rows:
        if kind == 'free':
            reserved = set(range(1, int(number))) - ids
            count.update({'reserved': len(reserved)} if reserved else {})
    return count


def event_files(guest):
    """How many files of vEVENTQs QEMU has open"""
    return int(guest.host.run(f'ls -l /proc/$(cat /tmp/{guest.name}.pid)/fd | '
                              "grep -c 'iommufd-viommu-event'; true"))
