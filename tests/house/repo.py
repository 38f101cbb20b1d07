# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of the repo, and what series says of them; for the tests beside this file."""

import functools
import re
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
TREE = REPO / 'build/tree'


@functools.cache
def text(path):
    """A file of the repo"""
    return (REPO / path).read_text(errors='replace')


def lines(path):
    """The lines of a file of the repo"""
    return text(path).splitlines()


@functools.cache
def own_files():
    """Files of the repo: what git knows or would add."""
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=REPO,
                         check=True, capture_output=True, text=True).stdout
    return [name for name in sorted(set(out.splitlines())) if (REPO / name).is_file()]


def shell_files():
    """Shell scripts, whatever their names"""
    return [path for path in own_files() if path.endswith('.sh')
            or re.match(r'#!.*\b(ba)?sh\b|# shellcheck shell=', text(path)[:200])]


def python_files():
    """Python programs and modules"""
    return [path for path in own_files() if path.endswith('.py')
            or re.match(r'#!.*\bpython3?\b', text(path)[:200])]


def series():
    """[(patch, [overlay and @kernel: entries])]"""
    rows = [line.split() for line in lines('series') if line.strip() and line[0] != '#']
    return [(row[0], row[1:]) for row in rows]


def overlay():
    """New files of the series"""
    return [name for _, names in series() for name in names if name[0] != '@']
