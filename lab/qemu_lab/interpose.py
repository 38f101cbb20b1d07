# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for lab/shim/interpose.c, and the counters that it leaves.

    rules = Rules().count('/tmp/calls').fail('IOMMU_HWPT_INVALIDATE', 'EIO', call=True, every=100)
    rules.add(fake_idr(5, 7, 5))
    Path(config).write_text(str(rules))
    ...
    calls = Calls(Path('/tmp/calls').read_bytes())
    calls['IOMMU_HWPT_INVALIDATE'], calls.hits(1)

What kinds, conditions and actions there are is written at the top of lab/shim/interpose-config.c,
which also checks the names: a kind that it does not know ends the process with BAD_CONFIG.
"""

import difflib
import errno as errnos
import fnmatch
import struct
from dataclasses import dataclass, field as dataclass_field

# The status of a process whose configuration is wrong
BAD_CONFIG = 99


@dataclass(frozen=True)
class Field:
    """Bits of a field: those of @mask are @value. Without a mask it is the whole field."""
    offset: int
    size: int
    value: int
    mask: int = None

    def __post_init__(self):
        if self.size not in (1, 2, 4, 8):
            raise ValueError(f'a field of {self.size} bytes')
        whole = (1 << 8 * self.size) - 1
        mask = whole if self.mask is None else self.mask
        if not 0 < mask <= whole:
            raise ValueError(f'mask {mask:#x} in {self.size} bytes')
        if self.value < 0 or self.value & ~mask:
            raise ValueError(f'value {self.value:#x} has bits outside of mask {mask:#x}')
        object.__setattr__(self, 'mask', mask)

    def __str__(self):
        return f'{self.offset:#x}:{self.size}:{self.mask:#x}:{self.value:#x}'


SELECTION = ('where', 'first', 'every', 'times')
ACTIONS = {
    'fail': ('errno', 'call', 'done'),
    'drop': (),
    'delay': ('usec',),
    'alter': ('in', 'out', 'outwhere', 'data', 'caps', 'entry', 'entrywhere', 'config', 'lost',
              'gap', 'short', 'eof'),
}


def _values(key, value):
    """The values of a key as text: several for several fields, none for None and False."""
    if value is None or value is False:
        return []
    if value is True:
        return ['yes']
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in _values(key, each)]
    if isinstance(value, (bytes, bytearray)):
        return [value.hex()]
    if key == 'errno' and not hasattr(errnos, str(value)):
        raise ValueError(f'{value} is not the name of an errno')
    return [str(value)]


@dataclass(frozen=True)
class Rule:
    """One rule: @keys are those of the configuration file. A list is a key given several times."""
    kind: str
    action: str
    keys: dict = dataclass_field(default_factory=dict)

    def __post_init__(self):
        if self.action not in ACTIONS:
            raise ValueError(f'no action {self.action}')
        for key in self.keys:
            if key not in ACTIONS[self.action] + SELECTION:
                raise ValueError(f'{self.action} has no {key}')

    def but(self, **keys):
        """The same rule with other keys, such as first=3."""
        return Rule(self.kind, self.action, {**self.keys, **_plain(keys)})

    def __str__(self):
        words = [f'{key}={text}' for key, value in self.keys.items()
                 for text in _values(key, value)]
        return ' '.join(['rule', self.kind, self.action] + words)


def _plain(keys):
    """Names of keys that Python has for itself end with _."""
    return {key.rstrip('_'): value for key, value in keys.items()}


class Rules:
    """A configuration. All methods return the object; rules are numbered from 1."""

    def __init__(self):
        self.path = None
        self.rules = []

    def count(self, path):
        """Keep counters in the file @path, which processes add to."""
        if self.path:
            raise ValueError('counters are in one file only')
        self.path = path
        return self

    def add(self, *rules):
        """Add Rule objects, such as those that the functions below make."""
        self.rules += rules
        return self

    def fail(self, kind, errno, *, call=False, done=None, **selection):
        """Fail with the named @errno; with @call, after the kernel has done it."""
        return self.add(Rule(kind, 'fail', {'errno': errno, 'call': call, 'done': done,
                                            **selection}))

    def drop(self, kind, **selection):
        """Succeed, but keep the call from the kernel."""
        return self.add(Rule(kind, 'drop', selection))

    def delay(self, kind, usec, **selection):
        """Wait before the call."""
        return self.add(Rule(kind, 'delay', {'usec': usec, **selection}))

    def alter(self, kind, **keys):
        """Alter arguments or answers: in_=, out=, data=, ... with a Field or several."""
        return self.add(Rule(kind, 'alter', _plain(keys)))

    def __len__(self):
        return len(self.rules)

    def __str__(self):
        lines = [f'count {self.path}'] if self.path else []
        return ''.join(f'{line}\n' for line in lines + [str(rule) for rule in self.rules])


# struct iommu_hw_info, and struct iommu_hw_info_arm_smmuv3
HW_INFO_TYPE = 24
HW_INFO_MAX_PASID_LOG2 = 28
HW_INFO_CAPABILITIES = 32
HW_INFO_ARM_SMMUV3 = 2
HW_CAP_PASID_EXEC = 1 << 1
HW_CAP_PASID_PRIV = 1 << 2
HW_CAP_ATS_NOT_SUPPORTED = 1 << 3
ARM_SMMUV3_IDR = 8

# struct vfio_region_info, its capabilities, and a capability that nobody knows
REGION_INFO_FLAGS = 4
REGION_INFO_INDEX = 8
REGION_INFO_SIZE = 32
REGION_FLAG_MMAP = 1 << 2
REGION_CAP_SPARSE_MMAP = 1
REGION_CAP_UNKNOWN = 99

# A command of the SMMU (IHI 0070, 4.5); Size 0 in its second word is one page
CMD_ATC_INV = 0x40
UNUSED_PAGE = 0x1000


def fake_idr(n, mask, value):
    """Bits of ID register @n of the host's SMMUv3."""
    if not 0 <= n < 6:
        raise ValueError(f'the kernel shows no IDR{n}')
    return Rule('IOMMU_GET_HW_INFO', 'alter', {
        'data': Field(ARM_SMMUV3_IDR + 4 * n, 4, value, mask),
        'outwhere': Field(HW_INFO_TYPE, 4, HW_INFO_ARM_SMMUV3)})


def fake_iommu(kind):
    """Another kind of IOMMU (enum iommu_hw_info_type). Rules of fake_idr come before this one."""
    return Rule('IOMMU_GET_HW_INFO', 'alter', {'out': Field(HW_INFO_TYPE, 4, kind)})


def no_ats():
    """The host says that the device cannot have ATS."""
    return Rule('IOMMU_GET_HW_INFO', 'alter', {
        'out': Field(HW_INFO_CAPABILITIES, 8, HW_CAP_ATS_NOT_SUPPORTED, HW_CAP_ATS_NOT_SUPPORTED)})


def pasid(width, execute=False, privileged=False):
    """The PASIDs that the host says the device can have."""
    return Rule('IOMMU_GET_HW_INFO', 'alter', {
        'out': [Field(HW_INFO_MAX_PASID_LOG2, 1, width),
                Field(HW_INFO_CAPABILITIES, 8,
                      execute * HW_CAP_PASID_EXEC | privileged * HW_CAP_PASID_PRIV,
                      HW_CAP_PASID_EXEC | HW_CAP_PASID_PRIV)]})


def no_cmdqv():
    """The host has no Tegra241 CMDQ-V."""
    return Rule('IOMMU_GET_HW_INFO/TEGRA241_CMDQV', 'fail', {'errno': 'EOPNOTSUPP'})


def config_words(words):
    """32-bit words of the device's configuration space, by offset."""
    return Rule('pread:vfio-device', 'alter', {
        'config': [Field(offset, 4, value) for offset, value in words.items()]})


def _region_caps(chain, region):
    return Rule('VFIO_DEVICE_GET_REGION_INFO', 'alter', {
        'where': Field(REGION_INFO_INDEX, 4, region),
        'out': Field(REGION_INFO_FLAGS, 4, REGION_FLAG_MMAP, REGION_FLAG_MMAP),
        'caps': chain})


def sparse_caps(areas, count=None, region=0):
    """Sparse areas [(offset, size)] of a region; @count is how many the kernel says there are."""
    chain = struct.pack('<HHIII', REGION_CAP_SPARSE_MMAP, 1, 0,
                        len(areas) if count is None else count, 0)
    return _region_caps(chain + b''.join(struct.pack('<QQ', *area) for area in areas), region)


def broken_cap(next_offset, region=0):
    """A region's only capability says that the next one is at @next_offset in its info."""
    return _region_caps(struct.pack('<HHI', REGION_CAP_UNKNOWN, 0, next_offset), region)


def refuse_ste(first=1):
    """From the @first nested HWPT on, the kernel refuses all."""
    return Rule('IOMMU_HWPT_ALLOC/ARM_SMMUV3', 'fail', {'errno': 'EINVAL', 'first': first})


def lost_event(n):
    """The @n-th event that is read was lost by the kernel."""
    return Rule('read:veventq', 'alter', {'lost': n})


def blunt_atc_inv(first=1):
    """From the @first on, CMD_ATC_INV is for a page that is never used."""
    return Rule('IOMMU_HWPT_INVALIDATE', 'alter', {
        'entrywhere': Field(0, 1, CMD_ATC_INV), 'entry': Field(8, 8, UNUSED_PAGE), 'first': first})


class Calls:
    """A snapshot of the counters, from the bytes of the file that Rules.count() names.

    The names are the kinds of the configuration. One that is not in the kernel's headers has no
    counter: asking for it is a KeyError, and not 0.
    """

    HEADER = struct.Struct('<8sIIII')
    ROW = struct.Struct('<64sQQQQ')

    def __init__(self, data):
        if len(data) < self.ROW.size:
            raise ValueError(f'{len(data)} bytes are no counters')
        magic, version, row_size, rows, self.rules = self.HEADER.unpack_from(data)
        if (magic, version, row_size) != (b'QIPCALLS', 1, self.ROW.size):
            raise ValueError('these are no counters of interpose.c')
        if len(data) != (rows + 1) * row_size:
            raise ValueError(f'{len(data)} bytes are not {rows} counters')
        self._rows = {}
        for name, *numbers in self.ROW.iter_unpack(data[row_size:]):
            self._rows[name.rstrip(b'\0').decode()] = tuple(numbers)

    def _row(self, name):
        if name not in self._rows or name.startswith('rule:'):
            near = difflib.get_close_matches(name, self.names(), 3, 0.5)
            raise KeyError(f'{name} is not counted' + (f': {", ".join(near)}?' if near else ''))
        return self._rows[name]

    def names(self):
        """All kinds that are counted, in the order of the kernel's headers."""
        return [name for name in self._rows if not name.startswith('rule:')]

    def __getitem__(self, name):
        """How often the process has called it."""
        return self._row(name)[0]

    def failed(self, name):
        """How many of the calls have failed for the process, by a rule or not."""
        return self._row(name)[1]

    def items(self, name):
        """IOMMU_HWPT_INVALIDATE: how many entries the process has passed."""
        return self._row(name)[2]

    def altered(self, name):
        """How many of the calls a rule has had an effect on."""
        return self._row(name)[3]

    def _rule(self, number):
        if not 1 <= number <= self.rules:
            raise KeyError(f'there is no rule {number}: they are numbered from 1 to {self.rules}')
        return self._rows[f'rule:{number}']

    def hits(self, number):
        """How often rule @number has done what it says."""
        return self._rule(number)[2]

    def met(self, number):
        """How many calls (entries, events) have met the conditions of rule @number."""
        return self._rule(number)[0]

    def total(self, *patterns):
        """The calls of all kinds that match one of the patterns, each call once.

        A pattern without / is for whole requests, and does not match their types.
        """
        found = set()
        for pattern in patterns:
            names = {name for name in self.names() if fnmatch.fnmatchcase(name, pattern) and
                     ('/' in name) == ('/' in pattern)}
            if not names:
                self._row(pattern)
            found |= names
        whole = {name for name in found if '/' not in name}
        return sum(self[name] for name in found
                   if name in whole or name.split('/')[0] not in whole)

    def called(self):
        """{kind: calls} of what was called at all, for reports."""
        return {name: self[name] for name in self.names() if self[name]}

    def __sub__(self, before):
        """What has happened since the snapshot @before."""
        if list(self._rows) != list(before._rows):
            raise ValueError('the counters are of different kernels')
        result = object.__new__(Calls)
        result.rules = self.rules
        result._rows = {name: tuple(a - b for a, b in zip(numbers, before._rows[name]))
                        for name, numbers in self._rows.items()}
        return result
