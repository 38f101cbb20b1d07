# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace events of L1's QEMU, counted. One that QEMU has not, or that was not on, is an error."""

import fnmatch
import functools
import re
import subprocess
from collections import Counter

LINE = re.compile(r'^(?:\d+@[\d.]+:)?(\w+) ?(.*)')


@functools.cache
def known_events(qemu):
    """All events of a QEMU; those for other machines are of the same source."""
    done = subprocess.run([str(qemu), '-trace', 'help'], capture_output=True, text=True, check=True)
    events = set(re.findall(r'^(\w+)$', done.stdout, re.M))
    assert events, f'{qemu} lists no trace events'
    return events


class Trace:
    """The trace log of one QEMU."""

    def __init__(self, path, enabled, known):
        """
        @enabled: names and patterns, as QEMU's -trace takes them
        @known: the names of all events that QEMU has
        """
        self.enabled = list(enabled)
        unknown = [name for name in self.enabled if not fnmatch.filter(known, name)]
        assert not unknown, f'QEMU has no trace events {unknown}'
        self._known = known
        self.events = []
        assert path.exists(), f'{path.name}, the trace log, is missing'
        with open(path, encoding='utf-8', errors='replace') as log:
            for line in log:
                match = LINE.match(line)
                if match and match[1] in known:
                    self.events.append((match[1], match[2]))
        self._counts = Counter(name for name, _ in self.events)
        self._commands = Counter(rest.split()[-1] for name, rest in self.events
                                 if name == 'smmuv3_cmdq_opcode' and rest)

    def check(self, name):
        """@name has to be an event that could have been in the log."""
        assert name in self._known, f'QEMU has no trace event {name}'
        assert any(fnmatch.fnmatch(name, pattern) for pattern in self.enabled), \
            f'trace event {name} was not enabled'

    def count(self, name, text=''):
        """How often @name was there, with a part that matches the regular expression @text"""
        self.check(name)
        if not text:
            return self._counts[name]
        return sum(event == name and bool(re.search(text, rest)) for event, rest in self.events)

    def lines(self, name):
        """What is behind the name, for each event @name, in order"""
        self.check(name)
        return [rest for event, rest in self.events if event == name]

    def commands(self, *patterns):
        """How many SMMU commands the guest has queued whose names match, like 'SMMU_CMD_TLBI_*'"""
        self.check('smmuv3_cmdq_opcode')
        return sum(count for name, count in self._commands.items()
                   if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))
