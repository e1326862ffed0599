import Aperture
import Fixtures
import Foundation
import KernelFiles
import Reclaim
import SystemPackage
import Testing

@Suite("The facts for a diagnosis")
struct DoctorReaderTests {
    private static let gpu = "0000:01:00.0"
    private static let home = "/sys/bus/pci/devices/0000:01:00.0"

    /// - Parameter deadline: In milliseconds; `nil` where nothing can hang.
    private func facts(
        _ host: FixtureHost, deadline: Int32? = nil, _ files: [String: String] = [:]
    ) throws -> HostFacts {
        for (path, text) in files { try host.folder.write(text, to: path) }
        let before = try host.folder.contents()
        let tree = FileTree(root: FilePath(host.folder.path))
        let facts = DoctorReader(tree: tree, deadline: deadline).read(for: try host.snapshot(.all, withHolders: false))
        #expect(try host.folder.contents() == before)
        #expect(host.writes.isEmpty)
        return facts
    }

    private func machine() throws -> FixtureHost { try FixtureHost { GPU("0000:01:00.0") } }

    @Test("Everything that is there is read")
    func all() throws {
        let facts = try facts(
            machine(),
            [
                "/proc/cmdline": "quiet vfio-pci.ids=1234:1111\n",
                "/proc/cpuinfo": "vendor_id : GenuineIntel\naddress sizes : 39 bits physical, 48 bits virtual\n\n",
                "/proc/interrupts": "            CPU0\n  1:    5  IR-IO-APIC   1-edge  i8042\n",
                "/sys/class/iommu/dmar0/intel-iommu/cap": "d2008c40660462\n",
                "/sys/class/iommu/dmar0/intel-iommu/ecap": "f050da\n",
                "/sys/firmware/acpi/tables/DMAR": "",
                "/boot/config-6.12.0-fixture": "CONFIG_X=y\nCONFIG_INTEL_IOMMU_DEFAULT_ON=y\n",
                "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts": "N\n",
                "/etc/modprobe.d/vfio.conf": "options vfio-pci ids=1234:1111\n",
                "/usr/lib/modprobe.d/vfio.conf": "blacklist masked\n",
                "/usr/lib/modprobe.d/other.conf": "blacklist nouveau\n",
                "/etc/modprobe.d/README": "blacklist nothing\n",
                "/etc/initramfs-tools/modules": "# amdgpu\ni915\n",
                "/etc/dracut.conf.d/gpu.conf": "force_drivers+=\" amdgpu \"\n",
                "/etc/driverctl.d/pci-0000:01:00.0": "nouveau\n",
                "/etc/libvirt/qemu/vm.xml":
                    "<domain><name>vm</name><hostdev type='pci' managed='yes'><source>"
                    + "<address bus='0x01' slot='0x00' function='0x0'/></source></hostdev></domain>",
                "/etc/systemd/system/multi-user.target.wants/apertured@0000:01:00.0.service": "",
                "/etc/systemd/system/multi-user.target.wants/getty@tty1.service": "",
                "/usr/lib/systemd/system/apertured@.service": "[Unit]\n",
                "/etc/security/limits.d/vm.conf": "@kvm - memlock unlimited\n",
                "\(Self.home)/power_state": "D0\n", "\(Self.home)/power/runtime_status": "active\n",
                "\(Self.home)/d3cold_allowed": "1\n", "\(Self.home)/reset_method": "flr bus\n",
                "\(Self.home)/reset": "",
                "\(Self.home)/rom": String(repeating: "x", count: 512),
                "\(Self.home)/resource0_resize": "0000000000007f00\n",
            ])
        let address = try #require(PCIAddress(Self.gpu))
        #expect(facts.commandLine.value?.options.count == 2)
        #expect(facts.processor == .known(ProcessorFacts(vendor: "GenuineIntel", addressBits: 39)))
        #expect(facts.interrupts.value?.hasRemapped == true)
        #expect(facts.iommus.value?.first?.capability == 0xd2_008c_4066_0462)
        #expect(facts.iommus.value?.first?.extendedCapability == 0xf0_50da)
        #expect(facts.firmwareTables == .known(["DMAR"]))
        #expect(facts.isIntelIOMMUOnByDefault == .known(true))
        #expect(facts.allowsUnsafeInterrupts == .known(false))
        #expect(facts.moduleLines.value?.map(\.module) == ["vfio_pci", "nouveau"])
        #expect(
            facts.initramfsModules.value?.map(\.module).filter { ["i915", "amdgpu"].contains($0) } == [
                "i915", "amdgpu",
            ])
        #expect(facts.driverctl.value?.map(\.driver) == ["nouveau"])
        #expect(facts.libvirt.value?.map(\.address) == [address])
        #expect(facts.links.value?.map(\.instance) == [Self.gpu])
        #expect(facts.isUnitInstalled == .known(true))
        #expect(facts.presentFunctions == .known([address]))
        #expect(facts.memoryLocks.value?.count == 1)
        let detail = try #require(facts.details[address])
        #expect(detail.power == PowerState(runtimeStatus: "active", state: "D0"))
        #expect(detail.mayLosePower == true)
        #expect(detail.resetMethods == ["flr", "bus"])
        #expect(detail.canBeReset)
        #expect(detail.romSize == 512)
        #expect(detail.resizing == [0: 0x7f00])
        #expect(detail.resizingUnknown == nil)
    }

    @Test("What is not there is unknown where that tells nothing, and none where it does")
    func nothing() throws {
        let facts = try facts(machine())
        #expect(facts.commandLine.value == nil)
        #expect(facts.processor.value == nil)
        #expect(facts.interrupts.value == nil)
        #expect(facts.isIntelIOMMUOnByDefault.value == nil)
        #expect(facts.allowsUnsafeInterrupts == .known(nil))
        #expect(facts.driverctl == .known([]))
        #expect(facts.libvirt == .known([]))
        #expect(facts.links == .known([]))
        #expect(facts.isUnitInstalled == .known(false))
        let address = try #require(PCIAddress(Self.gpu))
        let detail = try #require(facts.details[address])
        #expect(detail.resetMethods == nil)
        #expect(detail.romSize == nil)
        #expect(detail.resizing.isEmpty)
    }

    @Test("A folder in the place of a file makes its fact unknown, and no other")
    func folders() throws {
        let host = try machine()
        for path in [
            "/etc/modprobe.d/x.conf", "/etc/libvirt/qemu/x.xml", "/etc/driverctl.d/pci-0000:01:00.0",
            "/etc/initramfs-tools/modules", "/etc/security/limits.conf", "/proc/cmdline", "/proc/interrupts",
            "/boot/config-6.12.0-fixture",
        ] { try host.folder.makeFolder(path) }
        let facts = try facts(host)
        #expect(facts.moduleLines.value == nil)
        #expect(facts.libvirt.value == nil)
        #expect(facts.driverctl.value == nil)
        #expect(facts.initramfsModules.value == nil)
        #expect(facts.memoryLocks.value == nil)
        #expect(facts.commandLine.value == nil)
        #expect(facts.interrupts.value == nil)
        #expect(facts.isIntelIOMMUOnByDefault.value == nil)
        #expect(facts.links == .known([]))
    }

    @Test("A file that is too large to be what it should be is not read")
    func large() throws {
        let facts = try facts(machine(), ["/etc/modprobe.d/x.conf": String(repeating: "#\n", count: 1 << 20)])
        guard case .unknown(let reason) = facts.moduleLines else {
            Issue.record("it was read")
            return
        }
        #expect(reason.contains("/etc/modprobe.d/x.conf"))
    }

    @Test("A link to /dev/null masks a file")
    func masked() throws {
        let host = try machine()
        try host.folder.makeFolder("/etc/modprobe.d")
        try host.folder.symlink("/etc/modprobe.d/x.conf", destination: "/dev/null")
        #expect(try facts(host).moduleLines == .known([]))
    }

    @Test(
        "A card that sleeps is not asked for the sizes of its BARs",
        arguments: [("suspended", nil), ("active", "D3hot"), (nil, "D3cold")] as [(String?, String?)])
    func asleep(_ status: String?, _ state: String?) throws {
        var files = ["\(Self.home)/resource0_resize": "7f00\n"]
        if let status { files["\(Self.home)/power/runtime_status"] = status }
        if let state { files["\(Self.home)/power_state"] = state }
        let address = try #require(PCIAddress(Self.gpu))
        let facts = try facts(machine(), files)
        let detail = try #require(facts.details[address])
        #expect(detail.resizing.isEmpty)
        #expect(detail.resizingUnknown?.contains("sleeps") == true)
    }

    @Test("Sizes that make no sense are unknown, and so are those that never come")
    func badSizes() throws {
        let address = try #require(PCIAddress(Self.gpu))
        let senseless = try facts(machine(), ["\(Self.home)/resource0_resize": "many\n"]).details[address]
        #expect(senseless?.resizingUnknown?.contains("'many'") == true)
        // Opening a FIFO waits for a writer, as the kernel waits for a card that does not wake up.
        let host = try machine()
        let path = host.folder.path + "/sys/devices/pci0000:00/0000:01:00.0/resource0_resize"
        try #require(makeFIFO(path))
        let hanging = DoctorReader(tree: FileTree(root: FilePath(host.folder.path)), deadline: 100)
            .read(for: try host.snapshot(.all, withHolders: false)).details[address]
        #expect(hanging?.resizing.isEmpty == true)
        #expect(hanging?.resizingUnknown?.contains("has not answered") == true)
        // The process that was left behind ends when somebody writes.
        let end = unsafe open(path, O_WRONLY | O_NONBLOCK)
        if end >= 0 { close(end) }
    }
}
