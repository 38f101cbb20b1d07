# SPDX-License-Identifier: GPL-2.0-or-later
"""What a folder holds, to compare before and after."""

import hashlib
import os
import stat
from pathlib import Path


def snapshot(top):
    """{path: ('folder', mode), ('link', target) or ('file', mode, size, hash)}"""
    found = {}
    for folder, names, files in os.walk(top):
        for name in names + files:
            path = Path(folder) / name
            what = path.lstat()
            mode = stat.S_IMODE(what.st_mode)
            if path.is_symlink():
                value = 'link', os.readlink(path)
            elif path.is_dir():
                value = 'folder', mode
            else:
                value = 'file', mode, what.st_size, hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(top))] = value
    return found
