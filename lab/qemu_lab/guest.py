# SPDX-License-Identifier: GPL-2.0-or-later
"""L2: a guest in L1's QEMU, with its results and its monitor."""

import asyncio
import socket

from .interpose import Calls
from .parts import LabError
from .ports import Results, command

# How long after L2's end its last results may take to arrive
LATE = 5


class Monitor:
    """The QMP monitor of a QEMU in L1, whose chardev is a virtio-serial port."""

    def __init__(self, path):
        # a module of the tree, which is there by now
        from qemu.qmp import QMPClient  # pylint: disable=import-outside-toplevel
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient('l2')
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.setblocking(False)

    def connect(self, seconds, unless):
        """Waits for QEMU's greeting; @unless: see Results.wait."""
        async def greeted():
            task = asyncio.ensure_future(self._client.connect(self._socket))
            for _ in range(int(seconds * 5)):
                await asyncio.wait({task}, timeout=0.2)
                if task.done():
                    return task.result()
                why = unless()
                if why:
                    task.cancel()
                    raise AssertionError(f"L1's QEMU has not started: {why}")
            task.cancel()
            raise AssertionError(f"L1's QEMU has no monitor after {seconds} s")

        self._loop.run_until_complete(greeted())

    def cmd(self, name, seconds=30, **arguments):
        """A QMP command, its answer"""
        arguments = {key.replace('_', '-'): value for key, value in arguments.items()}
        return self._loop.run_until_complete(
            asyncio.wait_for(self._client.execute(name, arguments), seconds))

    def hmp(self, line):
        """A command of the human monitor, its output"""
        return self._loop.run_until_complete(asyncio.wait_for(
            self._client.execute('human-monitor-command', {'command-line': line}), 30))

    def event(self, name, seconds=30):
        """The next event @name; others that come before are dropped."""
        async def next_event():
            while True:
                event = await self._client.events.get()
                if event['event'] == name:
                    return event

        try:
            return self._loop.run_until_complete(asyncio.wait_for(next_event(), seconds))
        except asyncio.TimeoutError:
            raise AssertionError(f'no event {name} in {seconds} s') from None

    def close(self):
        """QEMU has ended, or ends without a monitor."""
        if self._loop.is_closed():
            return
        try:
            self._loop.run_until_complete(asyncio.wait_for(self._client.disconnect(), 5))
        except Exception:  # pylint: disable=broad-except
            pass
        self._socket.close()
        self._loop.close()


class Guest:
    """
    A guest in L1.

    @name: of its logs in L1, below /tmp/logs: NAME.qemu.log, NAME.trace.log
    @args: QEMU's command line, without consoles and monitor
    @trace: trace events, as names and patterns
    @program: words that start another QEMU than L1's own
    """

    def __init__(self, host, name, args, env=None, trace=(), seconds=140, program=None):
        self.host = host
        self.name = name
        self.args = args
        self.program = program or [host.arch.qemu]
        self.env = env or {}
        self.trace_events = list(trace)
        self.seconds = seconds
        self.results = Results('L2' if name == 'l2' else name)
        #: the console is a terminal's, on the port for that
        self.interactive = False
        self.qmp = None
        self.job = None

    def command_line(self, shell=False):
        """QEMU's, for sh in L1; @shell: its console and monitor are on the terminal of that."""
        ports = ['-serial', 'mon:stdio', '-serial', 'null'] if shell else \
            self.host.guest_ports(self.interactive)
        args = [*self.program, *self.args, '-display', 'none', '-nodefaults', *ports,
                '-D', f'/tmp/logs/{self.name}.trace.log']
        if self.trace_events and not shell:
            args += ['-trace', f'events=/tmp/{self.name}.events']
        return command(args, self.env)

    def start(self):
        """Starts QEMU, and waits for its monitor."""
        events = '\n'.join(self.trace_events)
        script = f"""echo '{events}' > /tmp/{self.name}.events
: > /tmp/logs/{self.name}.trace.log
rm -f /tmp/l2.console /tmp/l2.results /tmp/l2.go
mkfifo /tmp/l2.go
exec 3<> /tmp/l2.go
echo $$ > /tmp/{self.name}.pid
exec env {self.command_line()} > /tmp/logs/{self.name}.qemu.log 2>&1
"""
        self.host.guest = self
        self.qmp = Monitor(self.host.port('qmp'))
        self.job = self.host.agent.start(script, self.seconds)
        self.qmp.connect(60, self.ended_early)
        return self

    def ended_early(self):
        """Why there is no point in waiting for L2, or None"""
        if self.job.done:
            return f'its QEMU has ended with status {self.job.done.status}'
        return self.host.ended_early()

    def wait_for(self, key, value=None, times=1, seconds=None):
        """Until L2 has reported @key (=@value)"""
        return self.results.wait(key, value, times, seconds or self.seconds, self.ended_early)

    def go_on(self):
        """Lets L2 go on, after "result -w"."""
        self.host.run('echo > /tmp/l2.go')

    def host_calls(self):
        """The interposer's counters as they are now"""
        return Calls(self.host.get(f'/tmp/logs/{self.name}.calls'))

    def mark(self, number, times=1):
        """The host calls up to L2's mark @number ("result -w mark=NUMBER"); then L2 goes on."""
        self.wait_for('mark', str(number), times)
        calls = self.host_calls()
        self.go_on()
        return calls

    def wait(self):
        """
        Until L2 has ended by itself: its init has come to its last line, and QEMU exits with 0.
        """
        try:
            done = self.job.wait(self.seconds + 20, self.host.ended_early)
        except LabError as error:
            raise AssertionError(str(error)) from None
        finally:
            self.qmp.close()
        if done.status == -1:
            raise AssertionError(f'L2 was still running after {self.seconds} s')
        if done.status:
            raise AssertionError(f"L1's QEMU ended with status {done.status}: "
                                 f'{self.host.run(f"tail -n 3 /tmp/logs/{self.name}.qemu.log")}')
        self.results.wait('end', seconds=LATE)
        return self.results

    def kill(self):
        """Ends QEMU; for guests that would go on for ever."""
        if not self.job.done:
            try:
                self.qmp.cmd('quit')
            except Exception:  # pylint: disable=broad-except
                self.host.run(f'kill -9 $(cat /tmp/{self.name}.pid)', check=False)
        self.job.wait(30, self.host.ended_early)
        self.qmp.close()

    def forget(self):
        """The run is over, however it went."""
        if self.qmp:
            self.qmp.close()

    def vcpu_stats(self, *names):
        """KVM's counters, summed over all vCPUs: a dictionary by name"""
        vcpus = [cpu['qom-path'] for cpu in self.qmp.cmd('query-cpus-fast')]
        answer = self.qmp.cmd('query-stats', target='vcpu', vcpus=vcpus,
                              providers=[{'provider': 'kvm', 'names': list(names)}])
        sums = dict.fromkeys(names, 0)
        for vcpu in answer:
            for stat in vcpu['stats']:
                sums[stat['name']] += stat['value']
        seen = {stat['name'] for vcpu in answer for stat in vcpu['stats']}
        assert seen == set(names), f'KVM counts no {set(names) - seen}'
        return sums
