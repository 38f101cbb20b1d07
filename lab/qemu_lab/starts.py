# SPDX-License-Identifier: GPL-2.0-or-later
"""Many starts of L1's QEMU with real assigned devices, without a guest, judged by what it says.

    def set_up_host(self, host):
        self.starts = Starts(self)
        self.starts.judge([
            refusal('no iommufd', 'takes vfio-pci with iommufd=', f'{SMMU} {VFIO}'),
            Start('one notice', f'{FD} {VFIO}', count=1, pattern='warning: vfio: the kernel'),
            Start('another host', f'{FD} {VFIO} -trace x_resolve', count=1, pattern='oas=40',
                  rules=Rules().add(fake_idr(5, 7, 2))),
            Config('ATS is shown', f'{FD} {VFIO}', wanted={'ats': '0x100'}),
        ])

QEMU is started with -S and a monitor, so that one that refuses nothing ends with status 0. What is
wrong goes to the test's problems; all that was said goes to starts.log.
"""

import re
import subprocess
from dataclasses import dataclass, field

from . import images
from .interpose import BAD_CONFIG, Calls, Rules
from .ports import command

#: by architecture: what all starts have in common
COMMON = {
    'arm64': ('-M', 'virt,gic-version=3', '-accel', 'kvm', '-cpu', 'host', '-m', '256M'),
    'x86': ('-accel', 'kvm', '-m', '256M', '-L', '/lab'),
}
CONFIG_BYTES = 4096


@dataclass
class Outcome:
    """
    How a start has ended.

    @lines: what QEMU has said on stderr; @monitor: what its human monitor has printed
    @files: contents of the files that the row asked for, by path
    @calls: interpose.Calls, if the row has rules
    """
    status: int
    lines: list
    monitor: str
    files: dict
    calls: Calls = None

    def matching(self, pattern):
        """The lines that match a regular expression"""
        return [line for line in self.lines if re.search(pattern, line)]

    @property
    def loud(self):
        """The lines that are no warnings"""
        return [line for line in self.lines if 'warning:' not in line]


@dataclass(frozen=True)
class Start:
    """
    A command line that QEMU takes or refuses: a status, and a number of lines that match.

    @args: words with blanks between them, or a list
    @status: the exit status that it has to end with
    @count: how many lines match the regular expression @pattern; None: any number
    @alone: these lines are all that it says, apart from warnings
    @rules: interpose.Rules for this start. Each of them has to have an effect, so that a row does
        not pass because its rule is for something that QEMU has never asked.
    @env: more variables of its environment
    @monitor: lines for its human monitor; "quit" comes after them
    @files: paths of files in L1 that are of interest afterwards
    @machine: machine type and its options, in place of the architecture's
    """
    name: str
    args: object
    status: int = 0
    count: int = None
    pattern: str = ''
    alone: bool = False
    rules: Rules = None
    env: dict = field(default_factory=dict)
    monitor: tuple = ()
    files: tuple = ()
    machine: str = None

    def wrong(self, outcome):
        """What @outcome should not be: a list of complaints"""
        complaints = []
        if outcome.status != self.status:
            complaints.append(f'status {outcome.status}, not {self.status}')
        found = outcome.matching(self.pattern)
        if self.count is not None and len(found) != self.count:
            complaints.append(f'{len(found)} lines, not {self.count}, match {self.pattern!r}')
        if self.alone and outcome.loud != found:
            complaints.append(f'{len(outcome.loud)} lines in all')
        return complaints

    def shown(self, outcome):
        """The line for the log of a row that is as it should be"""
        return (outcome.matching(self.pattern) if self.pattern else outcome.lines)[:1]


def refusal(name, message, args, **keys):
    """A command line that QEMU refuses: status 1, and one line, which has @message in it."""
    return Start(name, args, 1, 1, re.escape(message), alone=True, **keys)


@dataclass(frozen=True)
class Config(Start):
    """
    A start with a device at pcie.0, addr=@slot, and what a guest finds in its configuration space.

    @wanted: what lab/guest/ecaps.c has to say of it, besides chain=ok. QEMU is asked through its
        monitor for what the CPU would read, so the ECAM has to be at @ecam.
    """
    wanted: dict = field(default_factory=dict)
    slot: int = 5
    ecam: int = 0x3f000000

    def __post_init__(self):
        object.__setattr__(self, 'machine',
                           (self.machine or 'virt') + ',gic-version=3,highmem-ecam=off')
        object.__setattr__(self, 'files', ('/tmp/config',))
        where = self.ecam + (self.slot << 15)
        object.__setattr__(self, 'monitor',
                           (f'pmemsave {where:#x} {CONFIG_BYTES} "/tmp/config"',))

    @staticmethod
    def ecaps(config):
        """What lab/guest/ecaps.c says of configuration space: a dictionary"""
        done = subprocess.run([images.local_tool('ecaps')], input=config, capture_output=True,
                              check=False)
        return dict(line.split('=', 1) for line in done.stdout.decode().splitlines() if '=' in line)

    def wrong(self, outcome):
        complaints = super().wrong(outcome)
        config = outcome.files['/tmp/config']
        if len(config) != CONFIG_BYTES:
            return complaints + [f'{len(config)} bytes of configuration space']
        found = self.ecaps(config)
        return complaints + [f'{key} is {found.get(key)}, not {value}'
                             for key, value in dict(self.wanted, chain='ok').items()
                             if found.get(key) != value]

    def shown(self, outcome):
        found = self.ecaps(outcome.files['/tmp/config'])
        return [' '.join(f'{key}={value}' for key, value in found.items())]


class Starts:
    """
    Starts for one test.

    @common: arguments of all, in place of the architecture's
    @seconds: after which a start has failed
    """

    def __init__(self, test, common=None, seconds=30):
        self.test = test
        self.host = test.host
        self.common = list(COMMON[test.arch.name] if common is None else common)
        self.seconds = seconds
        self.total = self.good = 0
        self._log = test.out / 'starts.log'
        self._log.write_text('')

    def _args(self, row):
        common = list(self.common)
        if row.machine and '-M' in common:
            common[common.index('-M') + 1] = row.machine
        elif row.machine:
            common = ['-M', row.machine, *common]
        args = row.args.split() if isinstance(row.args, str) else [str(arg) for arg in row.args]
        return [self.test.arch.qemu, *common, '-nodefaults', '-display', 'none', '-S',
                '-monitor', 'stdio', *args]

    def start(self, row):
        """Runs one row: an Outcome"""
        env = dict(row.env)
        if row.rules is not None:
            # the same rules may be in several rows
            counted = Rules().count('/tmp/start.calls').add(*row.rules.rules)
            self.host.put('/tmp/start.rules', str(counted))
            env.update(LD_PRELOAD='/lib/interpose.so', INTERPOSE='/tmp/start.rules')
        commands = '\n'.join([*row.monitor, 'quit'])
        fresh = ' '.join(('/tmp/start.calls', *row.files))
        line = command(self._args(row), env)
        done = self.host.run(f"""rm -f {fresh}
{line} 2>&1 > /tmp/start.monitor << 'EOF'
{commands}
EOF
""", self.seconds, check=False)
        calls = None
        if row.rules is not None and done.status != BAD_CONFIG:
            calls = Calls(self.host.get('/tmp/start.calls'))
        return Outcome(done.status, [text.rstrip('\r') for text in done.output.splitlines()],
                       self.host.run('cat /tmp/start.monitor') if row.monitor else '',
                       {path: self._file(path) for path in row.files}, calls)

    def _file(self, path):
        there = self.host.run(f'test -e {path}', check=False).status == 0
        return self.host.get(path) if there else b''

    def judge(self, rows):
        """Runs all rows. What is wrong goes to the test's problems; True if nothing is."""
        assert rows, 'there is nothing to start'
        bad = self.total - self.good
        with open(self._log, 'a', encoding='utf-8') as log:
            for row in rows:
                outcome = self.start(row)
                wrong = row.wrong(outcome)
                if outcome.calls:
                    wrong += [f'rule {number} ({rule}) had no effect'
                              for number, rule in enumerate(row.rules.rules, 1)
                              if not outcome.calls.hits(number)]
                self.total += 1
                self.good += not wrong
                said = outcome.lines[-5:] if wrong else row.shown(outcome)
                log.write(f'{row.name}: {"; ".join(wrong) or "good"}\n' +
                          ''.join(f'    {text}\n' for text in said))
                log.flush()
                if wrong:
                    self.test.problems.append(f'{row.name}: {"; ".join(wrong)}: ' +
                                              ' | '.join(said)[-400:])
        return self.total - self.good == bad

    def __str__(self):
        """For tables"""
        return f'{self.good} of {self.total} as they should be'
