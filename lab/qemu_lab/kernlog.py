# SPDX-License-Identifier: GPL-2.0-or-later
"""What no kernel log of a run may have, unless its test names it."""

import re

# One alternative a line: what Linux prints for it
FAULTS = re.compile(r'''
    \bWARNING:\ | \bBUG:\ | \bOops\b | Kernel\ panic | general\ protection\ fault |
    Unable\ to\ handle\ kernel | Internal\ error: | \bcut\ here\b |
    possible\ (circular|recursive)\ locking | suspicious\ RCU\ usage | inconsistent\ lock\ state |
    rcu:.*(stall|detected) | self-detected\ stall | soft\ lockup | hard\ LOCKUP |
    blocked\ for\ more\ than |
    Call\ [Tt]race: |
    arm-smmu-v3.*(\bevent:?\ | event\ 0x | CMDQ\ error | CMD_SYNC\ timeout | unexpected | GERROR) |
    tegra241_cmdqv.*unexpected |
    \bDMAR:.*(fault | DRHD:\ handling) | AMD-Vi:.*(Event\ logged | timeout | Completion-Wait) |
    UBSAN: | KASAN: | \bODEBUG:
    ''', re.X)

# A kernel that says these works as it should in the lab
HARMLESS = re.compile(r'''
    Spectre | Speculative | L1TF | MDS | unprivileged\ eBPF
    ''', re.X)


def strip(line):
    """A line without its level and its time"""
    return re.sub(r'^(<\d+>)?(\[[ \d.T]+\] ?)?', '', line.rstrip())


def faults(text, allowed=()):
    """The lines of a kernel log that speak of a fault, except those that match one of @allowed."""
    found = []
    for line in text.splitlines():
        if FAULTS.search(line) and not HARMLESS.search(line):
            if not any(re.search(pattern, line) for pattern in allowed):
                found.append(strip(line))
    return found
