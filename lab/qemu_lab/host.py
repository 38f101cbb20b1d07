# SPDX-License-Identifier: GPL-2.0-or-later
"""L0 and L1: an emulated machine, with Linux on it as the host under test."""

import base64
import os
import shlex
import signal
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from . import images, parts
from .guest import Guest
from .parts import LabError
from .ports import Agent, LineReader, Results, command

# Where L1 finds its ports, by lab/host/init
PORTS = '/dev/virtio-ports'
BOOT_SECONDS = 120
OUT_MB = 128


class Host:
    """
    A host under test.

    @out: directory for logs and images
    @machine: L0's arguments for machine, CPU and accelerator; @devices: for devices
    @live: a function that gets each line of L2's console
    """

    def __init__(self, arch, out, machine, devices, append, kernel, seconds, live=None):
        self.arch = arch
        self.out = Path(out)
        self.machine = list(machine)
        self.devices = list(devices)
        self.append = append
        self.kernel = parts.kernel(kernel, arch)
        self.seconds = seconds
        self.live = live
        self.root = images.Root(arch, self.out)
        self.results = Results('L1')
        self.guest = None
        self.guests = []
        self.agent = None
        self.vm = None
        self.extra_l0 = []
        self._sockets = tempfile.TemporaryDirectory(prefix='lab-')
        self._readers = []
        self._in_order = False
        self._limit = None
        #: how long L1's boot may take
        self.boot_seconds = BOOT_SECONDS
        #: how L1 ends
        self.power_off = 'poweroff -f'
        #: L0 was stopped by its limit of time
        self.overdue = False

    # --- L0

    def port(self, name):
        """The socket on this machine of one of L1's ports"""
        return Path(self._sockets.name) / name

    def _port_args(self, name, frontend):
        return ['-chardev', f'socket,id={name},path={self.port(name)},server=on,wait=off',
                '-device', f'{frontend},chardev={name},name=lab.{name}']

    def _l0_args(self):
        args = [*self.machine, '-nodefaults', '-no-reboot', '-d', 'guest_errors',
                '-kernel', self.kernel, '-append', self.append,
                '-chardev', f'file,id=l1,path={self.out / "l1.log"}', '-serial', 'chardev:l1',
                '-drive', f'if=none,id=root,format=raw,snapshot=on,file={self.root.image}',
                '-device', 'virtio-blk-pci,drive=root,addr=1',
                '-drive', f'if=none,id=out,format=raw,file={self.out / "out.img"}',
                '-device', 'virtio-blk-pci,drive=out,addr=2',
                '-device', 'virtio-serial-pci,id=lab,max_ports=8,addr=0x1d']
        for name in ('agent', 'console', 'results', 'qmp', 'shell', 'debug'):
            args += self._port_args(name, 'virtserialport,bus=lab.0')
        extra = shlex.split(os.environ.get('LAB_L0_ARGS', ''))
        return [str(arg) for arg in args + self.devices + self.extra_l0 + extra]

    def serial_args(self):
        """A second serial port, for a shell in L1"""
        path = self.port('second')
        return ['-chardev', f'socket,id=second,path={path},server=on,wait=off',
                '-serial', 'chardev:second']

    def boot(self):
        """Finishes L1's root and starts L0; L1 is up when this returns."""
        self.root.finish()
        images.call('truncate', '-s', f'{OUT_MB}M', self.out / 'out.img')
        # a module of the tree, which is there by now
        from qemu.machine import QEMUMachine  # pylint: disable=import-outside-toplevel
        # not even a test that is killed leaves its QEMU behind
        wrapper = ['setpriv', '--pdeathsig', 'KILL']
        self.vm = QEMUMachine(str(parts.l0_qemu(self.arch)), name='l0', log_dir=str(self.out),
                              base_temp_dir=self._sockets.name, wrapper=wrapper)
        self.vm.add_args(*self._l0_args())
        self.vm.launch()
        self._limit = threading.Timer(self.seconds, self._stop_late)
        self._limit.daemon = True
        self._limit.start()
        self.agent = Agent(self.port('agent'), self.out / 'agent.log')
        self._readers = [LineReader(self.port('console'), self._console_line, self.out / 'l2.log'),
                         LineReader(self.port('results'), self._result_line,
                                    self.out / 'l2.jsonl')]
        self.results.add('kernel', self._wait_for_agent().strip())

    def _wait_for_agent(self):
        """The output of "uname -sr". UEFI firmware in L0 may read the first requests: it has a
        driver for virtio-serial ports."""
        end = time.monotonic() + self.boot_seconds
        tries, next_try = [], 0
        while not any(job.done for job in tries):
            why = self.ended_early() or (time.monotonic() > end and 'it takes too long')
            if why:
                raise AssertionError(f'L1 has not come up: {why}')
            if time.monotonic() > next_try:
                tries.append(self.agent.start('uname -sr', 60))
                next_try = time.monotonic() + 5
            time.sleep(0.1)
        return next(job.done.output for job in tries if job.done)

    def _stop_late(self):
        """A host that hangs ends here."""
        self.overdue = True
        os.kill(self.vm.get_pid(), signal.SIGKILL)

    def _console_line(self, line):
        if self.live:
            self.live(line)

    def _result_line(self, line):
        (self.guest or self).results.add_line(line)

    def ended_early(self):
        """Why there is no point in waiting for L1, or None"""
        if self.overdue:
            return f'L0 was still running after {self.seconds} s'
        if not self.vm.is_running():
            return f'L0 has ended with status {self.vm.exitcode()}'
        return None

    # --- L1

    def run(self, script, seconds=60, check=True):
        """Runs @script in L1; its output, or with check=False a Done."""
        job = self.agent.start(script, seconds)
        try:
            done = job.wait(seconds + 20, self.ended_early)
        except LabError as error:
            raise AssertionError(str(error)) from None
        if check and done.status:
            raise AssertionError(f'L1: {job.what!r} ended with status {done.status}: '
                                 f'{done.output.strip()[-500:]}')
        return done.output if check else done

    def put(self, path, data):
        """Writes bytes or text to a file of L1."""
        data = data.encode() if isinstance(data, str) else data
        self.run(f"base64 -d > {path} << 'EOF'\n{base64.encodebytes(data).decode()}EOF\n")

    def get(self, path):
        """The bytes of a file of L1"""
        return base64.b64decode(self.run(f'base64 {path}'))

    def vfio(self, address, vfs=0):
        """Hands a device to vfio-pci; or @vfs virtual functions of it, which are made for that."""
        return self.run(f'. /lab/vfio.sh; hand_over {address} {vfs or ""}')

    def qemu(self, args, env=None, stdin='', seconds=20, program=None):
        """Runs a QEMU of L1 that ends by itself: a Done, with all that it has said."""
        line = command([program or self.arch.qemu, *args], env)
        return self.run(f"{line} << 'EOF'\n{stdin}\nEOF\n", seconds, check=False)

    def guest_ports(self, interactive=False):
        """Arguments for L1's QEMU: consoles go to files, which the agent follows."""
        console = 'pipe,id=console,path=/tmp/l2.tty' if interactive else \
            'file,id=console,path=/tmp/l2.console'
        return ['-chardev', console, '-serial', 'chardev:console',
                '-chardev', 'file,id=results,path=/tmp/l2.results,input-path=/tmp/l2.go',
                '-serial', 'chardev:results',
                '-chardev', f'pipe,id=qmp,path={PORTS}/lab.qmp',
                '-mon', 'chardev=qmp,mode=control']

    def new_guest(self, args, name='l2', **kwargs):
        """A Guest that is not started yet"""
        guest = Guest(self, name, args, **kwargs)
        self.guests.append(guest)
        return guest

    # --- the end

    def stop(self):
        """
        Fetches L1's logs and powers it off. A host that does not end by itself fails the test.
        """
        self.run('dmesg -r > /tmp/logs/dmesg.log; cd /tmp/logs && tar -cf /dev/vdb . && sync', 60)
        self.agent.start(self.power_off, 30)
        try:
            self.vm.wait(30)
        except Exception as error:
            raise AssertionError(f'L1 has not powered off: {error}') from None
        status = self.vm.exitcode()
        self.close()
        with tarfile.open(self.out / 'out.img') as archive:
            for member in archive.getmembers():
                name = member.name[2:] if member.name.startswith('./') else member.name
                if member.isfile():
                    target = self.out / ('logs/' + name if '/' in name else name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.extractfile(member).read())
        self._in_order = True
        assert status == 0, f'L0 ended with status {status}'

    def close(self):
        """However the test went: nothing of it goes on."""
        for guest in self.guests:
            guest.forget()
        if self._limit:
            self._limit.cancel()
        if self.vm:
            if self.vm.is_running():
                self.vm.kill()
            self.vm = None
        for reader in self._readers:
            reader.close()
        self._readers = []
        if self.agent:
            self.agent.close()
            self.agent = None
        if self._sockets:
            self._sockets.cleanup()
            self._sockets = None

    @property
    def in_order(self):
        """Whether L1 was stopped, and its logs are here"""
        return self._in_order
