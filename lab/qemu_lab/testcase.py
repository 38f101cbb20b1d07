# SPDX-License-Identifier: GPL-2.0-or-later
"""
The test class of the lab.

A scenario is a class with a name, lab/ARCH/*.py. What it does not say is as in the class it is
derived from: the machine of the architecture, an NVMe controller that is assigned, and so on.
"""

import hashlib
import os
import time
import unittest

from . import images, kernlog, parts
from .host import Host
from .interpose import Calls
from .trace import Trace, known_events


class LabTest(unittest.TestCase):
    """One scenario. Its title is the first line of the class's docstring."""

    # --- what a scenario may set

    #: its name, like 'arm64/accel'; a class without one of its own is no scenario
    scenario = None
    #: seconds that a run takes, for the display
    expected_seconds = 40
    #: seconds after which L0, and each L2, is stopped and the run has failed
    timeout = 300
    l2_timeout = 140
    #: seconds that L1's boot may take
    boot_timeout = 120
    #: whether "make check" runs it
    in_check = True
    #: processors that L0 keeps busy: how many scenarios run at once follows from it
    processors = 1
    #: names of kernels (scripts/build-kernel), or paths
    l1_kernel = None
    l2_kernel = None
    #: what L0 is built of, in L1: addresses for vfio-pci, (address, number of VFs)
    assign = ()
    #: the test that L2 runs, a file of lab/guest; None: there is no L2
    guest_test = None
    #: programs of lab/guest for L2, and for L1
    guest_tools = ('dmaverify',)
    l1_tools = ()
    #: parameters for the guest's test: lab_NAME=VALUE
    parameters = {}
    #: more of them, for one run
    extra_parameters = {}
    #: trace events of L1's QEMU that are counted
    trace_events = ()
    #: regular expressions for faults in the kernels' logs that belong to the scenario
    l1_allows = ()
    l2_allows = ()
    #: a guest that resets has ended, unless
    l2_reboots = False
    #: other parts that scripts/do has to make: lines of lab/run --needs
    needs = ()

    def prepare(self):
        """Makes the files that L0's devices need, in self.out."""

    def l0_machine(self):
        """L0's arguments for machine, CPU, accelerator and memory"""
        raise NotImplementedError

    def l0_devices(self):
        """L0's arguments for devices that L1 finds; addresses 1, 2 and 0x1d are taken."""
        return []

    def l1_append(self):
        """L1's kernel parameters"""
        raise NotImplementedError

    def fill_root(self, root):
        """More files for L1's root, an images.Root"""

    def l2_machine(self):
        """L2's arguments for machine, CPU, accelerator and memory"""
        raise NotImplementedError

    def l2_devices(self):
        """L2's arguments for devices"""
        return []

    def l2_append(self):
        """L2's kernel parameters, as a list"""
        raise NotImplementedError

    def interpose(self):
        """Rules of interpose.Rules for L1's QEMU, or None"""
        return None

    def set_up_host(self, host):
        """What L1 does before L2 starts; the devices are with vfio-pci by then."""

    def beside_guest(self, guest):
        """What happens while L2 runs"""

    def check(self):
        """Whether all is as it should be: self.l1, self.l2, self.trace, self.calls, logs"""
        raise NotImplementedError

    def table(self):
        """Calls self.row(); on failures too, so results may be missing."""

    # --- the run

    #: for the runner: a function for each line of L2's console
    live = None
    #: another class runs this one as a part of its test: logs go below its own
    parent_out = None

    def setUp(self):
        self.began = time.monotonic()
        self.rows = []
        self.problems = []
        self.host = None
        self._trace = self._calls = None
        self.guest = None
        self.out = (self.parent_out or parts.BUILD / 'lab') / self.scenario
        self.out.mkdir(parents=True, exist_ok=True)
        for old in self.out.glob('**/*'):
            if old.is_file() and old.suffix in ('.log', '.jsonl', '.calls', '.img', '.xml'):
                old.unlink()

    def tearDown(self):
        if self.host:
            self.host.close()
        if not os.environ.get('LAB_KEEP'):
            for pattern in ('*.img', 'initrd*'):
                for image in self.out.glob(pattern):
                    image.unlink()

    def kernel_of(self, level):
        """The name of a level's kernel: LAB_L1_KERNEL and LAB_L2_KERNEL choose others."""
        return os.environ.get(f'LAB_{level.upper()}_KERNEL') or getattr(self, f'{level}_kernel')

    def make_host(self):
        """A Host that is not booted: L1's root can be filled."""
        host = Host(self.arch, self.out, self.l0_machine(), self.l0_devices(),
                    ' '.join(self.l1_append()), self.kernel_of('l1'), self.timeout, self.live)
        host.boot_seconds = self.boot_timeout
        root = host.root
        self.put_user_space(root)
        kernel = self.kernel_of('l2')
        root.put(parts.kernel(kernel, self.arch), '/lab/Image')
        self.initrd = images.make_initrd(self.arch, self.out, self.guest_tools, kernel)
        root.write('/lab/initrd', self.initrd)
        root.put(parts.LAB / 'host' / 'vfio.sh', '/lab/vfio.sh')
        root.put(images.interposer(self.arch), '/lib/interpose.so')
        for name in self.l1_tools:
            root.put(images.tool(self.arch, name), f'/bin/{name}')
        self.fill_root(root)
        return host

    def put_user_space(self, root):
        """L1's QEMU, with its libraries and firmware"""
        root.skeleton()
        images.put_program(self.arch, parts.l1_qemu(self.arch), parts.l1_libs(self.arch),
                           root.stage)
        for name in self.firmware:
            root.put(parts.firmware(name), f'/lab/{name}')

    def boot(self):
        """Boots L1, hands the devices to vfio-pci, and lets the scenario set up the rest."""
        self.host = self.make_host()
        self.host.boot()
        for device in self.assign:
            self.host.vfio(*([device] if isinstance(device, str) else device))
        self.set_up_host(self.host)
        return self.host

    def guest_args(self, append=None, devices=None):
        """The command line of L2"""
        parameters = [f'lab_{key}={value}' for key, value in
                      dict(self.parameters, test=self.guest_test, **self.extra_parameters).items()]
        append = ' '.join([*(self.l2_append() if append is None else append), *parameters])
        args = [*self.l2_machine(), '-kernel', '/lab/Image', '-initrd', '/lab/initrd',
                '-append', append]
        if not self.l2_reboots:
            args.append('-no-reboot')
        return args + list(self.l2_devices() if devices is None else devices)

    def new_guest(self, name='l2', args=None, rules=None, env=None, trace=None):
        """A Guest that is not started: by default as the scenario's methods have it"""
        rules = self.interpose() if rules is None else rules
        env = dict(env or {})
        if rules is not None:
            self.host.put(f'/tmp/{name}.rules', str(rules.count(f'/tmp/logs/{name}.calls')))
            env.update(LD_PRELOAD='/lib/interpose.so', INTERPOSE=f'/tmp/{name}.rules')
        self.guest = self.host.new_guest(args or self.guest_args(), name, env=env,
                                         trace=self.trace_events if trace is None else trace,
                                         seconds=self.l2_timeout)
        return self.guest

    def test(self):
        """The run: L1, L2 in it until its end, L1's end, then the checks"""
        self.prepare()
        self.boot()
        if self.guest_test:
            guest = self.new_guest().start()
            self.beside_guest(guest)
            guest.wait()
        self.finish()
        self.check()

    def finish(self):
        """L1's end. What the kernels have said must be what the scenario names."""
        self.host.stop()
        self.problems += [f"L1's kernel: {line}" for line in
                          kernlog.faults(self.log('dmesg.log'), self.l1_allows)]
        for guest in self.host.guests:
            if guest.job:
                text = '\n'.join(guest.results.all('dmesg'))
                self.problems += [f"{guest.name}'s kernel: {line}" for line in
                                  kernlog.faults(text, self.l2_allows)]
        if self.host.guests and 'l2.log' in os.listdir(self.out):
            self.problems += [f"L2's console: {line}" for line in
                              kernlog.faults(self.log('l2.log'), self.l2_allows)]
        self.problems += [f"L1's console: {line}" for line in
                          kernlog.faults(self.log('l1.log'), self.l1_allows)]

    # --- what checks are made of

    @property
    def l1(self):
        """L1's results: those that the scenario has put there"""
        return self.host.results

    @property
    def l2(self):
        """The results of the only guest, or the last"""
        assert self.guest, 'there was no L2'
        return self.guest.results

    def trace_of(self, guest):
        """The trace log of a guest's QEMU"""
        return Trace(self.out / f'{guest.name}.trace.log', guest.trace_events,
                     known_events(parts.l0_qemu(self.arch)))

    def calls_of(self, guest):
        """The host calls of a guest's QEMU, as the interposer has counted them"""
        path = self.out / f'{guest.name}.calls'
        assert path.exists(), 'no interposer has counted host calls'
        return Calls(path.read_bytes())

    @property
    def trace(self):
        """The trace log of the last guest"""
        if self._trace is None:
            self._trace = self.trace_of(self.guest)
        return self._trace

    @property
    def calls(self):
        """The host calls of the last guest's QEMU"""
        if self._calls is None:
            self._calls = self.calls_of(self.guest)
        return self._calls

    def log(self, name):
        """The text of a log; it has to be there."""
        path = self.out / name
        assert path.exists(), f'{name} is missing'
        return path.read_text(encoding='utf-8', errors='replace')

    def qemu_log(self, name=None):
        """What L1's QEMU has said"""
        return self.log(f'{name or self.guest.name}.qemu.log')

    def expect(self, condition, what):
        """Like assertTrue, but the test goes on: a run is long, and all failures are of use."""
        if not condition:
            self.problems.append(what)

    def expect_equal(self, found, wanted, what):
        """Like assertEqual, and the test goes on"""
        self.expect(found == wanted, f'{what}: {found!r}, not {wanted!r}')

    def failures_of(self, check):
        """What @check has to complain about; for control runs, in which it has to fail."""
        before, self.problems = self.problems, []
        try:
            check()
        except AssertionError as error:
            self.problems.append(str(error))
        finally:
            found, self.problems = self.problems, before
        return found

    def row(self, name, value):
        """A row of the table"""
        self.rows.append((name, str(value)))

    # --- disks

    def fill_disk(self, path, size, seed):
        """A file with the pattern of dmaverify; its SHA-256"""
        images.call(images.local_tool('dmaverify'), 'fill', path, size, seed)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def disk_problem(self, path, seed, requests):
        """What is wrong with the file behind a device after @requests, or None"""
        try:
            images.call(images.local_tool('dmaverify'), 'expect', path, seed, requests)
        except parts.LabError as error:
            return str(error)
        return None
