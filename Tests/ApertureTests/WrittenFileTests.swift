import Aperture
import Testing

@Suite("What people write")
struct WrittenFileTests {
    @Test("The kernel's command line, with quotes and both spellings")
    func commandLine() {
        let line = KernelCommandLine("root=/dev/sda1 a-b=1 dyndbg=\"file x.c +p\" quiet a_b=2,3 -- a-b=4")
        #expect(line.options.map(\.text) == ["root=/dev/sda1", "a-b=1", "dyndbg=file x.c +p", "quiet", "a_b=2,3"])
        #expect(line.words(of: "a-b") == ["1", "2", "3"])
        #expect(KernelCommandLine("").options.isEmpty)
    }

    @Test("The first processor alone is read")
    func cpuinfo() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\naddress sizes\t: 39 bits physical, 48 bits virtual\n"
        #expect(
            ProcessorFacts(cpuinfo: text + "\nvendor_id\t: Other\n")
                == ProcessorFacts(vendor: "GenuineIntel", addressBits: 39))
        #expect(ProcessorFacts(cpuinfo: "processor: 0\nCPU implementer : 0x41\n") == ProcessorFacts())
    }

    static let guest = """
        <?xml version='1.0'?>
        <domain type='kvm'>
          <name>win11</name>
          <devices>
            <!-- <hostdev mode='subsystem' type='pci' managed='yes'><source>
              <address domain='0x0000' bus='0x09' slot='0x00' function='0x0'/></source></hostdev> -->
            <hostdev mode='subsystem' type='pci' managed='yes'>
              <driver name='vfio'/>
              <source>
                <address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>
              </source>
              <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/>
            </hostdev>
            <hostdev mode='subsystem' type='usb'><source><address bus='1' device='3'/></source></hostdev>
            <hostdev mode="subsystem" type="pci"><source><address bus="2" slot="0" function="0"/></source></hostdev>
          </devices>
        </domain>
        """

    @Test("libvirt's devices are those of the host, outside of comments")
    func libvirt() {
        let devices = LibvirtDevice.scan(Self.guest, path: "/etc/libvirt/qemu/x.xml")
        #expect(devices.map(\.address.description) == ["0000:01:00.1", "0000:02:00.0"])
        #expect(devices.map(\.isManaged) == [true, nil])
        #expect(devices.allSatisfy { $0.guest == "win11" })
    }

    @Test("A file that is cut off anywhere gives fewer devices, and no wrong ones")
    func cutOff() {
        for end in 0...Self.guest.count {
            let found = LibvirtDevice.scan(String(Self.guest.prefix(end)), path: "x.xml")
            #expect(found.allSatisfy { ["0000:01:00.1", "0000:02:00.0"].contains($0.address.description) })
        }
        for text in [
            "<", "<>", "</", "<a b", "<a b='",
            "<hostdev type='pci'><source><address bus='0x100' slot='0' function='0'/>",
        ] {
            #expect(LibvirtDevice.scan(text, path: "x.xml").isEmpty)
        }
    }

    @Test("Limits of locked memory, and nothing else")
    func limits() {
        let text = "# * hard memlock 1\n*  hard  memlock  unlimited\n* soft nofile 4\nDefaultLimitMEMLOCK=infinity\n"
        #expect(
            MemoryLock.parse(text, path: "x").map(\.text) == [
                "* hard memlock unlimited", "DefaultLimitMEMLOCK=infinity",
            ])
    }

    @Test("The units of this package, and no other")
    func units() {
        #expect(EnablementLink.instance(ofUnit: "apertured@0000:01:00.0.service") == "0000:01:00.0")
        #expect(EnablementLink.instance(ofUnit: "apertured.service") == nil)
        #expect(EnablementLink.instance(ofUnit: "getty@tty1.service") == nil)
        #expect(SavedOverride.address(ofFile: "pci-0000:01:00.0") != nil)
        #expect(SavedOverride.address(ofFile: "virtio-virtio0") == nil)
    }
}
