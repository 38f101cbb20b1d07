# SPDX-License-Identifier: GPL-2.0-or-later
"""
A libvirt in L1, whose user space is that of a distribution with our package beside it; and domains,
which are the examples of docs/system.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from xml.etree import ElementTree

from . import images, kernlog, parts
from .interpose import Calls, Rules
from .ports import Results

#: a domain's consoles are where the host's agent follows them
CONSOLE = '/tmp/l2.console'
RESULTS = '/tmp/l2.results'
LOGS = '/var/log/libvirt/qemu'
#: the first libvirt that knows all attributes of the examples
OLDEST = (12, 8)
QEMU_NAMESPACE = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


class Domain:
    """
    A domain, with the results of its guest.

    @name: of the example's file, and of the domain in it
    @parameters: for L2's init: "test" and those of that
    """

    def __init__(self, name, addresses, **parameters):
        self.name = name
        self.addresses = addresses
        self.parameters = parameters
        self.results = Results(name)
        self.xml = None

    def example(self, directory, emulator, cpu=None):
        """
        The domain's file in docs/system. What is a host's own is marked "yours" there, line by
        line: nothing else is replaced. A second serial port is added, for results.
        """
        addresses = iter(self.addresses)
        contents = {'memory': 512 * 1024, 'vcpu': 1, 'emulator': emulator, 'kernel': '/lab/Image',
                    'initrd': f'/lab/initrd.{self.name}'}
        lines = []
        path = parts.REPO / 'docs' / 'system' / directory / f'{self.name}.xml'
        for line in path.read_text(encoding='utf-8').splitlines():
            if '<!-- yours' in line:
                for tag, value in contents.items():
                    line = re.sub(f'<{tag}( [^>]*)?>[^<]*<', f'<{tag}>{value}<', line)
                if cpu:
                    line = re.sub('<cpu [^>]*>', cpu, line)
                line = line.replace(" memory='16' unit='GiB'", f" memory='{512 * 1024}'")
                if '<address ' in line:
                    address = ' '.join(
                        f"{key}='0x{value}'" for key, value in
                        zip(('domain', 'bus', 'slot', 'function'),
                            re.split('[:.]', next(addresses))))
                    line = re.sub('<address [^>]*>', f'<address {address}/>', line)
            lines.append(line)
            if '</serial>' in line:
                # libvirt gives ports without a number theirs in this order
                lines.append(f"    <serial type='file'><source path='{RESULTS}'/></serial>")
        self.xml = '\n'.join(lines) + '\n'
        assert not list(addresses), f'{path} has fewer addresses that are "yours"'
        assert RESULTS in self.xml, f'{path} has no serial port'
        return self.xml

    def initrd(self, common, out):
        """L2's initrd: the common one, and the parameters for this domain behind it"""
        stage = out / f'stage.{self.name}'
        shutil.rmtree(stage, ignore_errors=True)
        (stage / 'lab').mkdir(parents=True)
        (stage / 'lab' / 'parameters').write_text(
            ''.join(f"lab_{key}='{value}'\n" for key, value in self.parameters.items()))
        return common + images.pack(stage)


@dataclass(frozen=True)
class Refused:
    """
    A domain with a change that libvirt refuses, or QEMU behind it.

    @change: what re.sub has to replace, in pairs
    @message: part of the only line that virsh has, besides the one that says what it could not do.
        None: the domain has to start; such a row shows that another is refused for the right reason
    @rules: interpose.Rule objects, which have to have an effect: another host
    """
    name: str
    domain: str
    message: str
    change: tuple = ()
    rules: tuple = ()

    def xml(self, domain, rules_path):
        """The changed domain"""
        text = domain.xml
        for pattern, replacement in self.change:
            changed = re.sub(pattern, replacement, text, flags=re.M | re.S)
            assert changed != text, f'{self.name}: {pattern!r} changes nothing'
            text = changed
        if self.rules:
            if QEMU_NAMESPACE not in text:
                text = text.replace('<domain ', f'<domain {QEMU_NAMESPACE} ', 1)
            env = ''.join(f"<qemu:env name='{name}' value='{value}'/>" for name, value in
                          (('LD_PRELOAD', '/lib/interpose.so'), ('INTERPOSE', rules_path)))
            text = text.replace('</domain>',
                                f'<qemu:commandline>{env}</qemu:commandline></domain>')
        return text


class LibvirtTest:
    """For scenario classes: what people do with virsh. Comes before the class with the machine."""

    #: of build/libvirt*, and of our package
    suffix = ''
    deb_arch = 'amd64'
    #: where docs/system has the domains
    directory = None
    #: Domain objects, by prepare(): the first goes through all of it, the others run to their end
    domains = ()
    refused = ()
    #: what libvirt has to find out about our QEMU, by libvirt's names
    flags = ()
    machine = None
    cpu = None
    #: the driver's name of what a device has to be behind
    iommu = None

    timeout = 480
    guest_test = None
    assign = ()
    firmware = ()
    seed = 20260101
    requests = 300
    disk_bytes = 8 << 20
    patience = 90

    @property
    def emulator(self):
        """Where our package has its emulator"""
        return f'/usr/bin/qemu-viommu-system-{self.arch.qemu.rpartition("-")[2]}'

    #: where a PATH finds it by QEMU's own name
    emulator_path = '/usr/lib/qemu-viommu/bin'

    # --- L1's root

    def put_user_space(self, root):
        tree = os.environ.get('LAB_LIBVIRT') or parts.BUILD / f'libvirt{self.suffix}'
        images.put_tree(parts.need(tree, f"run 'make lab SCENARIO={self.scenario}'"), root.stage)
        root.skeleton()
        debs = list((parts.BUILD / 'deb').glob(f'qemu-viommu_*_{self.deb_arch}.deb'))
        deb = parts.need(os.environ.get('LAB_DEB') or (debs or ['a package of ours'])[0],
                         "run 'make deb'")
        subprocess.run(f"dpkg-deb --fsys-tarfile '{deb}' | "
                       f"tar -xf - -C '{root.stage}' --keep-directory-symlink", shell=True,
                       check=True)
        for name in self.firmware:
            root.put(parts.firmware(name), f'/usr/share/qemu/{name}')
        root.put(parts.LAB / 'host' / 'libvirtd', '/lab/libvirtd')
        self.put_firmware(root)

    def put_firmware(self, root):
        """What the distribution has of UEFI"""

    def fill_root(self, root):
        for domain in self.domains:
            root.write(f'/lab/{domain.name}.xml',
                       domain.example(self.directory, self.emulator, self.cpu))
            root.write(f'/lab/initrd.{domain.name}', domain.initrd(self.initrd, self.out))

    # --- virsh

    def virsh(self, arguments, check=True, seconds=60):
        """Runs virsh in L1: what it prints, or a Done"""
        return self.host.run('export LC_ALL=C HOME=/root; '
                             f'timeout {seconds} virsh -q {arguments} < /dev/null', seconds + 10,
                             check)

    def wait_until(self, what, condition, seconds=60):
        """Asks @condition, a function, until it is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f'{what}: not after {seconds} s'
            time.sleep(0.3)

    def start_libvirtd(self):
        """libvirtd, as a job of L1 that ends with it"""
        self.libvirtd = self.host.agent.start(f'exec sh /lab/libvirtd {self.emulator_path}',
                                              self.timeout)

        def answers():
            assert not self.libvirtd.done, 'libvirtd has ended: ' + \
                self.host.run('tail -n 5 /tmp/logs/libvirtd.*')
            done = self.virsh('version', False, 10)
            self.version = done.output
            return done.status == 0

        self.wait_until('libvirtd answers', answers, 120)

    def version_of(self, what):
        """A line of virsh version"""
        match = re.search(f'^{what}: (.*)$', self.version, re.M)
        assert match, f'virsh version has no {what}: {self.version}'
        return match[1]

    def find_out(self):
        """What libvirt has found out of our QEMU"""
        capabilities = ElementTree.fromstring(self.virsh('capabilities'))
        self.emulators = {node.text for node in capabilities.iter('emulator')}
        # the first question has libvirt start QEMU, which takes a while
        about = ElementTree.fromstring(self.virsh(
            f'domcapabilities --emulatorbin {self.emulator} --machine {self.machine}',
            seconds=120))
        self.machine_type = about.findtext('machine')
        self.hostdev_iommufd = [value.text for value in
                                about.findall(".//hostdev/enum[@name='iommufd']/value")]
        # domcapabilities has nothing of IOMMUs; what libvirt has found out is in its cache
        cache = self.host.run(
            f'cat "$(grep -lF "<emulator>{self.emulator}<" '
            '/var/cache/libvirt/qemu/capabilities/*.xml | head -n 1)"')
        found = {node.get('name') for node in ElementTree.fromstring(cache).iter('flag')}
        self.missing_flags = sorted(set(self.flags) - found)

    # --- domains

    def ended(self, domain):
        """Why there is no point in waiting for a domain's guest, or None; asked often"""
        now = time.monotonic()
        if now - self._asked < 4:
            return None
        self._asked = now
        state = self.virsh(f'domstate {domain.name}', False).output.strip()
        return None if state == 'running' else f'the domain is: {state}'

    _asked = 0

    def reached(self, domain, key, value=None, times=1):
        """Until its guest has reported this"""
        domain.results.wait(key, value, times, self.patience, lambda: self.ended(domain))

    def begin(self, domain):
        """The consoles are this domain's now."""
        self.host.run(f'rm -f {CONSOLE} {RESULTS}; '
                      f'ln -sf {CONSOLE} {LOGS}/{domain.name}-console.log')
        # the agent looks at the files often enough to see that they are new ones
        time.sleep(0.5)
        self.host.guest = domain

    def end(self, domain):
        """What the domain leaves behind"""
        time.sleep(0.5)
        self.host.run(f'cp {CONSOLE} /tmp/logs/{domain.name}.console.log; '
                      f'cp {LOGS}/{domain.name}.log /tmp/logs/{domain.name}.qemu.log; '
                      f'rm -f /var/lib/libvirt/qemu/nvram/{domain.name}_VARS.fd', check=False)

    def hostdev(self, domain):
        """Its first assigned device, as a file for attach-device and detach-device"""
        path = f'/tmp/{domain.name}-hostdev.xml'
        self.host.put(path, re.search('<hostdev .*?</hostdev>', domain.xml, re.S)[0])
        return path

    def has_hostdev(self, domain):
        """Whether it has the device still"""
        return '<hostdev ' in self.virsh(f'dumpxml {domain.name}')

    def whole(self, domain):
        """Defined, started, reset once it does I/O, unplugged, plugged again, destroyed"""
        self.virsh(f'define --validate /lab/{domain.name}.xml')
        self.virsh(f'start {domain.name}', seconds=120)
        self.reached(domain, 'io', 'started')
        self.virsh(f'reset {domain.name}')
        # a quick guest may have come that far before
        there = domain.results.all('plugged').count('0')
        self.reached(domain, 'plugged', '0', there + 1)
        # the guest's slot is busy for a while
        time.sleep(1)
        hostdev = self.hostdev(domain)
        self.virsh(f'detach-device {domain.name} {hostdev} --live')
        self.reached(domain, 'unplugged', '0')
        self.wait_until('the domain is without its device', lambda: not self.has_hostdev(domain))
        self.virsh(f'attach-device {domain.name} {hostdev} --live')
        self.reached(domain, 'plugged', '1')
        self.reached(domain, 'waiting')
        self.virsh(f'destroy {domain.name}')
        self.virsh(f'undefine {domain.name} --nvram')

    def to_its_end(self, domain):
        """A guest that powers off after its test"""
        self.virsh(f'create --validate /lab/{domain.name}.xml', seconds=120)
        domain.results.wait('end', None, 1, self.patience, lambda: self.ended(domain))
        self.wait_until('the domain has ended', lambda: self.virsh(
            f'domstate {domain.name}', False).status != 0)

    def run_domain(self, domain, how):
        """Whatever comes of it, the next domain gets its turn."""
        self.begin(domain)
        try:
            how(domain)
        except AssertionError as error:
            self.problems.append(f'{domain.name}: {error}')
            self.virsh(f'destroy {domain.name}', check=False)
            self.virsh(f'undefine {domain.name} --nvram', check=False)
        self.end(domain)

    def refuse(self, row):
        """What is wrong with how a domain is refused, or None"""
        domain = next(each for each in self.domains if each.name == row.domain)
        self.host.run('rm -f /tmp/refused.calls')
        if row.rules:
            self.host.put('/tmp/refused.rules',
                          str(Rules().count('/tmp/refused.calls').add(*row.rules)))
        self.host.put('/tmp/refused.xml', row.xml(domain, '/tmp/refused.rules'))
        done = self.virsh('create --paused /tmp/refused.xml', False, 40)
        lines = [line for line in done.output.splitlines() if line.strip()]
        if done.status == 0:
            self.virsh(f'destroy {row.domain}')
        if row.rules:
            calls = Calls(self.host.get('/tmp/refused.calls'))
            idle = [str(rule) for number, rule in enumerate(row.rules, 1) if not calls.hits(number)]
            if idle:
                return f'no effect: {idle}'
        if row.message is None:
            return None if done.status == 0 else f'does not start: {lines[-1:]}'
        if done.status == 0:
            return 'the domain was started'
        if len(lines) != 2 or row.message not in lines[1]:
            return f'not {row.message!r}: {lines}'
        return None

    # --- the run

    def set_up_host(self, host):
        super().set_up_host(host)
        self.start_libvirtd()
        self.find_out()
        for number, domain in enumerate(self.domains):
            self.run_domain(domain, self.to_its_end if number else self.whole)
        host.guest = None
        self.refused_well = 0
        for row in self.refused:
            wrong = self.refuse(row)
            self.refused_well += not wrong
            if wrong:
                self.problems.append(f'{row.name}: {wrong}')
        host.run('kill $(cat /run/lab-libvirtd.pid)')
        self.libvirtd.wait(30)

    def finish(self):
        super().finish()
        for domain in self.domains:
            for what, text in (('kernel', '\n'.join(domain.results.all('dmesg'))),
                               ('console', self.log(f'{domain.name}.console.log'))):
                self.problems += [f"{domain.name}'s {what}: {line}" for line in
                                  kernlog.faults(text, self.l2_allows)]

    def check_libvirt(self):
        """What libvirt has found out; and the results that all domains have"""
        version = self.version_of('Using library').rpartition(' ')[2]
        self.expect(tuple(map(int, version.split('.'))) >= OLDEST,
                    f'libvirt {version} does not know these attributes')
        self.assertIn(f'{self.emulator_path}/{self.arch.qemu}', self.emulators,
                      'libvirt has found our QEMU')
        self.expect('yes' in self.hostdev_iommufd, 'hostdevs can have no iommufd')
        self.expect_equal(self.missing_flags, [], 'what libvirt has not found out')
        first, *others = self.domains
        self.expect_equal(len(first.results.all('kernel')), 2, f'boots of {first.name}')
        for domain in others:
            self.expect_equal(domain.results['exit'], '0', f'{domain.name}: status of its test')

    def check_domain(self, domain):
        """What a guest says of one assigned device"""
        results, name = domain.results, domain.name
        self.expect_equal(results['group_type'], 'DMA', f"{name}: the type of the device's group")
        self.assertIn(self.iommu, results['iommu'], f'{name}: what the device is behind')
        self.expect_equal(results['operations'], str(self.requests),
                          f'{name}: verified random requests')
        self.expect_equal(results['verified'], 'yes', f'{name}: every word was right')

    def check_disks(self, disks):
        """The files behind the devices hold what the guests wrote."""
        for disk in disks:
            problem = self.disk_problem(disk, self.seed, self.requests)
            self.expect(not problem, f'{disk.name}: {problem}')

    def table(self):
        self.row('libvirt', f'{self.version_of("Using library")}, '
                 f'{self.version_of("Running hypervisor")}, machine type {self.machine_type}')
        self.row('features', f'{len(self.flags) - len(self.missing_flags)} of {len(self.flags)} '
                 'that libvirt looks for')
        self.row('refused', f'{self.refused_well} of {len(self.refused)} domains as they should be')

    def row_domain(self, domain):
        """What a domain has done"""
        get = domain.results.get
        self.row(domain.name, f'{get("model", "?")} at {get("device", "?")}, behind '
                 f'{get("iommu", "no IOMMU")}: {get("operations", 0)} requests verified')
