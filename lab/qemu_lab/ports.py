# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes from L1 over virtio-serial ports: lines for logs, results, replies of the agent."""

import base64
import json
import shlex
import socket
import threading
import time
from dataclasses import dataclass

from .parts import LabError


#: seconds that a result may take longer than the news that there will be none
LATE = 1.5


class LineReader(threading.Thread):
    """Reads a port's socket to its end, and hands each line on."""

    def __init__(self, path, on_line, log=None):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self._on_line = on_line
        self._log = open(log, 'ab', buffering=0) if log else None
        self.start()

    def run(self):
        rest = b''
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b''
            if self._log:
                self._log.write(data)
            *lines, rest = (rest + data).split(b'\n')
            if not data and rest:
                lines.append(rest)
            for line in lines:
                self._on_line(line.decode(errors='replace').rstrip('\r'))
            if not data:
                break
        if self._log:
            self._log.close()

    def close(self):
        """Ends the thread, once all that came was read"""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join(5)
        self.socket.close()


class Results:
    """What a level reported, by key. A key that never came is an error, not a zero."""

    def __init__(self, level):
        self.level = level
        self.order = []
        self._values = {}
        self._changed = threading.Condition()

    def add(self, key, value):
        """One more result; the last value of a key counts."""
        with self._changed:
            self.order.append((key, value))
            self._values[key] = value
            self._changed.notify_all()

    def add_line(self, line):
        """A line of JSON, as lab/guest/result.c writes it"""
        if not line.strip():
            return
        try:
            for key, value in json.loads(line).items():
                self.add(key, value)
        except (ValueError, AttributeError):
            self.add('bad_line', line)

    def __getitem__(self, key):
        with self._changed:
            if key not in self._values:
                raise AssertionError(f'{self.level} has reported no {key}')
            return self._values[key]

    def __contains__(self, key):
        with self._changed:
            return key in self._values

    def get(self, key, default=None):
        """For what a passing run need not report"""
        with self._changed:
            return self._values.get(key, default)

    def all(self, key):
        """All values that @key had, in order"""
        with self._changed:
            return [value for name, value in self.order if name == key]

    def number(self, key):
        """A result that has to be an integer"""
        try:
            return int(self[key], 0)
        except ValueError:
            raise AssertionError(f'{self.level}: {key} is {self[key]!r}, no number') from None

    def wait(self, key, value=None, times=1, seconds=60, unless=lambda: None):
        """
        Until @key was reported @times times (with @value, if one is given).

        @unless: called now and then; what it returns, if anything, is why there is no point in
        waiting any longer.
        """
        def there():
            return sum(name == key and value in (None, is_) for name, is_ in self.order) >= times

        end, why = time.monotonic() + seconds, None
        while True:
            with self._changed:
                if not there():
                    self._changed.wait(0.2)
                if there():
                    return self._values[key]
            if why:
                raise AssertionError(f'{self.level} has not reported {key}: {why}')
            # without the lock: it may take a while, and results come in meanwhile
            why = unless()
            if why:
                # the last results may still be on their way
                time.sleep(LATE)
            elif time.monotonic() > end:
                why = f'waited {seconds} s for it' + (f' to be {value}' if value else '')


@dataclass
class Done:
    """How a script in L1 has ended: an exit status, above 128 a signal, -1 a timeout."""
    status: int
    output: str


class Job:
    """A script that runs in L1."""

    def __init__(self, agent, what):
        self.what = what
        self._agent = agent
        self._ended = threading.Event()
        self._done = None

    def set(self, done):
        """The reply has come."""
        self._done = done
        self._ended.set()

    @property
    def done(self):
        """How it has ended, or None"""
        return self._done

    def wait(self, seconds, unless=lambda: None):
        """How it has ended; LabError if no reply comes in time. @unless: see Results.wait."""
        end = time.monotonic() + seconds
        while not self._ended.wait(0.1):
            why = unless() or (time.monotonic() > end and f'no reply in {seconds} s')
            if why and not self._ended.is_set():
                raise LabError(f'L1 has not run {self.what!r} to its end: {why}')
        return self._done


class Agent:
    """Runs scripts in L1 by way of lab/host/agent.c."""

    def __init__(self, path, log):
        self._jobs = {}
        self._next = 1
        self._log = open(log, 'a', encoding='utf-8')
        self._reader = LineReader(path, self._reply)

    def _reply(self, line):
        try:
            message = json.loads(line)
            job = self._jobs.pop(message['id'])
        except (ValueError, KeyError, TypeError):
            self._note(f'not understood: {line}')
            return
        self._note(f'[{message["id"]}] status {message["status"]}\n{message["output"]}')
        job.set(Done(message['status'], message['output']))

    def _note(self, text):
        if not self._log.closed:
            self._log.write(text.rstrip('\n') + '\n')
            self._log.flush()

    def start(self, script, seconds):
        """Runs @script by sh in L1; it is killed after @seconds."""
        number, self._next = self._next, self._next + 1
        self._jobs[number] = job = Job(self, script.strip().split('\n', 1)[0][:100])
        self._note(f'[{number}] $ {script}')
        text = base64.b64encode(script.encode()).decode()
        self._reader.socket.sendall(f'{number} {int(seconds)} {text}\n'.encode())
        return job

    def close(self):
        """No more replies"""
        self._reader.close()
        self._log.close()


def command(args, env=None):
    """A command line for sh"""
    words = [f'{key}={shlex.quote(str(value))}' for key, value in (env or {}).items()]
    return ' '.join(words + [shlex.quote(str(arg)) for arg in args])
