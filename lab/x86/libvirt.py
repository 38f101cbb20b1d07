# SPDX-License-Identifier: GPL-2.0-or-later
"""The domain of docs/system/i386/libvirt."""

from qemu_lab.libvirt import Domain, LibvirtTest, Refused
from qemu_lab.x86 import L2_CPU, X86Test


def cpu_xml():
    """L2's CPU as libvirt has it"""
    model, *without = L2_CPU.replace('-', '').split(',')
    features = ''.join(f"<feature policy='disable' name='{name}'/>" for name in
                       (name.replace('fxsropt', 'fxsr_opt') for name in without))
    return f"<cpu mode='custom' check='none'><model>{model}</model>{features}</cpu>"


class Libvirt(LibvirtTest, X86Test):
    """libvirt and a guest with an AMD IOMMU

    The domain of docs/system/i386/libvirt, with an AMD IOMMU, is defined, started, reset, unplugged
    and so on with virsh, and its I/O is verified. Domains that can't be are refused with one line.
    """
    scenario = 'x86/libvirt'
    expected_seconds = 80
    needs = ('packages', 'libvirt')
    directory = 'i386/libvirt'
    machine = 'q35'
    iommu = 'ivhd'
    firmware = X86Test.firmware
    flags = ('iommufd', 'vfio-pci', 'acpi-generic-initiator', 'amd-iommu', 'amd-iommu.pci-id',
             'amd-iommu.xtsup')
    cpu = cpu_xml()

    refused = (
        # by libvirt
        Refused('interrupt remapping without an I/O APIC in QEMU', 'amd-iommu',
                "IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')",
                (("<ioapic driver='qemu'", "<ioapic driver='kvm'"),)),
        Refused("an SMMU's attribute", 'amd-iommu',
                "iommu model 'amd' doesn't support some additional attributes",
                (("xtsup='on'", r"\g<0> accel='on'"),)),
        # by QEMU
        Refused('no translation for assigned devices', 'amd-iommu', 'dma-remap=on',
                (('dma-remap=on', 'dma-remap=off'),)),
        Refused('levels that there are not', 'amd-iommu', 'hats',
                ((r"^    <qemu:arg value='amd[^\n]*",
                  r"\g<0><qemu:arg value='-global'/><qemu:arg value='amd-iommu.hats=3'/>"),)),
        Refused('a property of the PCI function', 'amd-iommu',
                "Property 'AMDVI-PCI.dma-remap' not found",
                (('^</domain>', "<qemu:override><qemu:device alias='iommu0'><qemu:frontend>"
                  "<qemu:property name='dma-remap' type='bool' value='true'/></qemu:frontend>"
                  r'</qemu:device></qemu:override>\g<0>'),)),
    )

    def prepare(self):
        self.domain = Domain('amd-iommu', ['0000:00:03.0'], test='nvme-libvirt', cycles=1,
                             seed=self.seed, ops=self.requests, bytes=self.disk_bytes)
        self.domains = self.domain,
        self.disk = self.out / 'disk.img'
        self.fill_disk(self.disk, self.disk_bytes, self.seed)

    def l0_devices(self):
        return ['-drive', f'if=none,id=disk,format=raw,file={self.disk}',
                '-device', 'nvme,drive=disk,serial=lab,addr=3']

    def check(self):
        self.check_libvirt()
        self.check_domain(self.domain)
        self.expect_equal(self.domain.results['good_reads'], '2',
                          'times that the device was read right, before and after it was plugged')
        self.check_disks([self.disk])

    def table(self):
        super().table()
        self.row_domain(self.domain)
