# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest does wrong with its VCMDQs is its own trouble."""

import os
import re

from arm64.cmdqv import CmdqvTest
from arm64.devicetree import HostErrors
from qemu_lab.grace import GUEST, Grace
from qemu_lab.interpose import Rules, lost_event

#: what L1's driver says of an error in a queue of VINTF 1, L2's
GUEST_ERROR = r'tegra241_cmdqv: unexpected error reported. vintf_map: 0{15}2,'


class CmdqvError(CmdqvTest):
    """an illegal command in a VCMDQ of the guest

    L0's hardware stops the queue and interrupts L1, whose kernel reports to L1's QEMU, which
    interrupts L2. L2's driver reads the error maps, puts a CMD_SYNC in place of the command, and
    the queue goes on. One of the kernel's reports is lost on its way.
    """
    scenario = 'arm64/cmdqv-error'
    expected_seconds = 25
    guest_test = 'cmdqv-error'
    guest_tools = ('dmaverify', 'vcmdq-error')
    #: the second VCMDQ, in which the errors are, has no other commands with one CPU
    l2_cpus = 1
    requests = 500
    errors = 3
    l1_allows = (GUEST_ERROR,)
    l2_allows = (r'tegra241_cmdqv: unexpected error reported. vintf_map: 0{15}1, '
                 r'vcmdq_map (0{8}:){3}0{7}2',
                 r'arm-smmu-v3 .*CMDQ error \(cons 0x01[0-9a-f]*\): Illegal command')

    @property
    def parameters(self):
        """For cmdqv-error"""
        return dict(super().parameters, errors=self.errors)

    def interpose(self):
        return Rules().add(lost_event(2))

    def check(self):
        self.check_all()
        self.check_cmdqv()
        self.expect_equal(self.calls.hits(1), 1, 'events lost')
        self.expect_equal(self.trace.count('tegra241_cmdqv_event', 'map=0x0$'), 1,
                          'events lost that QEMU has seen')
        vcmdqs = self.vcmdqs
        # 1 is CERROR_ILL
        self.expect_equal(vcmdqs.errors(GUEST[1:]), [1] * self.errors,
                          "errors of L2's second queue in L0")
        self.expect_equal(vcmdqs.errors(GUEST[:1]), [], "errors of L2's first queue in L0")
        reports = re.findall(GUEST_ERROR, self.log('dmesg.log'))
        self.expect_equal(len(reports), self.errors, "errors that L1's kernel has reported")
        self.expect(self.trace.count('tegra241_cmdqv_event') >= self.errors,
                    "QEMU has not heard of each from the host's kernel")
        for key, what in (('cmdqv_errors', "errors for which L2's driver has read the maps"),
                          ('cmdq_errors', 'illegal commands that it has found'),
                          ('recovered', 'times that the queue went on')):
            self.expect_equal(self.l2[key], str(self.errors), what)
        self.expect('vintf_map: 0000000000000001, vcmdq_map 00000000:00000000:00000000:00000002'
                    in self.l2['first_error'], f'the maps: {self.l2["first_error"]}')
        self.check_released()

    def table(self):
        self.row('errors', f'{self.errors} made, {self.l2.get("recovered", 0)} times the queue '
                 'went on')
        self.row('the first', self.l2.get('first_error', '?'))
        self.row('events', f'{self.trace.count("tegra241_cmdqv_event")} from the host, '
                 f'{self.trace.count("tegra241_cmdqv_irq")} interrupts in L2')


class CmdqvFuzz(CmdqvTest):
    """nonsense in the registers of an assigned CMDQ-V

    Accesses go to all pages, trapped ones and the one that is the host's: neither L1's QEMU nor
    L1's kernel nor L0 minds, no queue of the host is left over, and bad configurations end in
    errors. LAB_SEED is the seed of a run that is to be repeated.
    """
    scenario = 'arm64/cmdqv-fuzz'
    expected_seconds = 30
    guest_test = 'cmdqv-fuzz'
    guest_tools = ('dmaverify', 'cmdqv-nonsense')
    requests = 300
    accesses = int(os.environ.get('LAB_WRITES', 5000))
    # queues with nonsense in them stop; L2's own driver has lost its queues
    l1_allows = (GUEST_ERROR,)
    l2_allows = ('arm-smmu-v3', 'tegra241_cmdqv')
    #: where QEMU gives up, L1's kernel would wait in vain, or its hardware has not done as told
    host_trouble = re.compile(r'tegra241_cmdqv: .*(failed to|GERRORN=)|iommufd.*WARN')

    def setUp(self):
        super().setUp()
        self.fuzz_seed = int(os.environ.get('LAB_SEED') or int.from_bytes(os.urandom(3)))

    @property
    def parameters(self):
        """For cmdqv-fuzz"""
        return dict(super().parameters, writes=self.accesses, fuzz_seed=self.fuzz_seed)

    def check(self):
        self.check_set_up()
        self.check_data()
        self.check_firmware()
        self.check_host()
        again = f'LAB_SEED={self.fuzz_seed}'
        self.expect_equal(self.l2['fuzzed'], str(self.accesses), f'accesses ({again})')
        self.expect(self.trace.count('tegra241_cmdqv_alloc_queue') > 2,
                    f'no queue has become the host\'s meanwhile ({again})')
        self.expect(self.calls['IOMMU_HW_QUEUE_ALLOC'] > 2, 'the kernel was not asked for queues')
        self.expect_equal(self.hw_queues_left(), set(), f'queues left ({again})')
        self.check_released()
        self.expect('Failed to' not in self.qemu_log(), 'QEMU did not free an object')
        trouble = [line for line in self.log('dmesg.log').splitlines()
                   if self.host_trouble.search(line)]
        self.expect_equal(trouble, [], f"L1's kernel ({again})")
        for key, what in (('base_beyond_ram', 'BASE beyond RAM'),
                          ('size_beyond_limit', 'LOG2SIZE beyond the limit'),
                          ('prod_beyond_queue', 'PROD beyond the queue'),
                          ('reallocate_in_use', 'allocating a queue in use anew')):
            self.expect_equal(self.l2[f'error_{key}'], 'yes', f'{what} is an error')
        self.expect_equal(self.l2['nothing_allocated'], '0',
                          'STATUS of a queue that is enabled without an allocation')

    def table(self):
        self.row('accesses', f'{self.l2.get("fuzzed", 0)}, with LAB_SEED={self.fuzz_seed}')
        self.row('queues', f'allocated {self.trace.count("tegra241_cmdqv_alloc_queue")} times, '
                 f'freed {self.trace.count("tegra241_cmdqv_free_queue")} times')
        self.row('host', f'{self.trace.count("tegra241_cmdqv_host_error")} queues refused, '
                 f'{self.trace.count("tegra241_cmdqv_event")} events')


class CmdqvHostErrors(Grace, HostErrors):
    """host calls that fail are errors of the VCMDQ's commands

    The kernel refuses L2's queues, so QEMU forwards what is in them: the error has to be that of
    the VCMDQ, and the commands behind it have to be forwarded once it is acknowledged.
    """
    scenario = 'arm64/cmdqv-host-errors'
    expected_seconds = 40
    # QEMU moves CONS of the SMMU's own queue to the command in error, and drops those behind it
    in_check = False
    smmu = 'accel=on,cmdqv=on,ril=off'
    trace_events = (*HostErrors.trace_events, 'tegra241_cmdqv_*')
    l2_allows = (*HostErrors.l2_allows, 'tegra241_cmdqv: unexpected error reported')

    def interpose(self):
        return super().interpose().fail('IOMMU_HW_QUEUE_ALLOC', 'EFAULT')

    def check(self):
        super().check()
        self.check_host()
        self.expect_equal(self.trace.count('tegra241_cmdqv_alloc_queue'), 0, 'queues of the host')
        self.expect(self.trace.count('tegra241_cmdqv_consume') >= self.requests,
                    'QEMU has not consumed the queues')
        self.expect_equal(self.trace.count('tegra241_cmdqv_fail'), self.first + self.later,
                          'VCMDQs that stopped with an error')
