# SPDX-License-Identifier: GPL-2.0-or-later
"""Interactive runs of a scenario: a shell in L1 or L2, and gdb at each level."""

import os
import select
import socket
import sys
import termios
import tty

from .host import PORTS
from .parts import LabError
from .runner import Lock, title

#: Ctrl-], which ends a session as it does in telnet
ESCAPE = 0x1d


def connect(path):
    """A port of L1. QEMU holds back what L2 prints while nobody is there."""
    port = socket.socket(socket.AF_UNIX)
    port.connect(str(path))
    return port


def drop_output(port):
    """Drops what has come so far."""
    while select.select([port], [], [], 0.3)[0] and port.recv(65536):
        pass


def relay(port, ended, prompt_free):
    """
    Connects the terminal with @port, until the shell at the other end exits.

    @ended: says whether it has
    @prompt_free: the input is a pipe; what comes from the port is passed on as it is
    """
    source = sys.stdin.fileno()
    mode = None if prompt_free else termios.tcgetattr(source)
    if mode:
        tty.setraw(source)
    sources = [source, port]
    try:
        while True:
            ready, _, _ = select.select(sources, [], [], 0.2)
            if port in ready:
                data = port.recv(65536)
                if not data:
                    break
                os.write(sys.stdout.fileno(), data.replace(b'\r\n', b'\n') if prompt_free else data)
            elif ended():
                break
            if source in ready:
                data = os.read(source, 4096)
                if not data:
                    # end of the pipe: that of the shell, too
                    sources.remove(source)
                    port.sendall(b'exit\n')
                elif mode and ESCAPE in data:
                    break
                else:
                    port.sendall(data)
    finally:
        if mode:
            termios.tcsetattr(source, termios.TCSADRAIN, mode)
        port.close()


def say(text):
    """For the user, apart from what the shell prints"""
    print(text, file=sys.stderr, flush=True)


def shell_l1(test, pipe):
    """A shell in L1, with L2's command line at hand"""
    host = test.host
    guest = test.new_guest()
    host.put('/lab/l2.sh', f'#!/bin/sh\n{guest.command_line(shell=True)}\n')
    say("L1: the devices are with vfio-pci; 'sh /lab/l2.sh' starts L2. 'exit' ends L1.")
    tty_name = '/dev/' + test.arch.second_console
    if pipe:
        stty, shell = 'stty -echo -onlcr', 'sh -c \'while read -r line; do eval "$line"; done\''
    else:
        stty, shell = 'stty sane', 'env "PS1=L1:\\w# " sh -i'
    # what comes before the terminal is open would be lost
    job = host.agent.start(f'cd /; exec 4<> {tty_name}; {stty} <&4; touch /tmp/shell.ready\n'
                           f'(exec setsid -c {shell}) <&4 >&4 2>&1; exit', 24 * 3600)
    host.run('until [ -e /tmp/shell.ready ]; do usleep 100000; done')
    relay(connect(host.port('second')), lambda: job.done or host.ended_early(), pipe)


def shell_l2(test, pipe):
    """A shell on L2's console"""
    test.extra_parameters = {'shell': 'pipe' if pipe else 'tty'}
    guest = test.new_guest()
    guest.interactive = True
    say('L2 boots; Ctrl-] ends the session.')
    port = connect(test.host.port('shell'))
    # QEMU writes the console byte by byte: cat makes fewer pieces of that. A port is opened once.
    test.host.run('mkfifo /tmp/l2.tty.in /tmp/l2.tty.out')
    test.host.agent.start(f'exec 3<> {PORTS}/lab.shell; cat <&3 > /tmp/l2.tty.in & '
                          'cat /tmp/l2.tty.out >&3', 24 * 3600)
    guest.start()
    if pipe:
        guest.wait_for('shell', 'ready', seconds=120)
        drop_output(port)
    relay(port, lambda: guest.job.done or test.host.ended_early(), pipe)


def run_shell(cls, level):
    """Boots a scenario and gives a shell. What it says itself goes to the standard error."""
    if level == 'l2' and not cls.guest_test:
        raise LabError(f'{cls.scenario} has no L2', 'LEVEL=l1 gives a shell in its host')
    pipe = not sys.stdin.isatty()
    say(f'{cls.scenario}: {title(cls)}')
    with Lock(cls.scenario):
        test = interactive_class(cls)('test')
        test.setUp()
        try:
            test.prepare()
            test.boot()
            (shell_l1 if level == 'l1' else shell_l2)(test, pipe)
        except AssertionError as error:
            raise LabError(str(error), f'the logs are in {os.path.relpath(test.out)}') from None
        finally:
            test.tearDown()
    return 0


def interactive_class(cls):
    """@cls, without a limit of time, and with a second serial port in L0"""
    class Interactive(cls):
        """See its base"""
        timeout = 24 * 3600
        l2_timeout = 24 * 3600

        def make_host(self):
            host = super().make_host()
            host.extra_l0 += host.serial_args()
            return host

    Interactive.__doc__ = cls.__doc__
    Interactive.scenario = cls.scenario
    return Interactive

