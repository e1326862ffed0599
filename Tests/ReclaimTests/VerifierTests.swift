import Aperture
import Fixtures
import KernelFiles
import Reclaim
import SystemPackage
import Testing
import VFIO

private let gpu = "0000:01:00.0"
private let audio = "0000:01:00.1"
private let fb: ClosedRange<UInt64> = 0xc000_0000...0xc03e_7fff

/// What proves a claim that stands, and what does not.
@Suite("Verifier")
struct VerifierTests {
    private func verify(_ host: FixtureHost, _ address: String = gpu) throws -> VerificationReport {
        try Verifier(host: host).verify(try #require(PCIAddress(address)))
    }

    private func claimed(@MachineBuilder _ parts: () -> [any Part] = { [] }) throws -> FixtureHost {
        try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            parts()
        }
    }

    @Test("A card on VFIO whose BARs are mapped is verified, and nothing is written")
    func sound() throws {
        let host = try claimed()
        let report = try verify(host)
        #expect(report.complaint == nil && report.refusal == nil)
        #expect(report.proofs.map(\.outcome) == [.mapped])
        #expect(host.writes.isEmpty)
        #expect(try host.recorded().isEmpty)
    }

    @Test("A framebuffer in a BAR is a complaint, before what VFIO says of it")
    func conflict() throws {
        let report = try verify(claimed { FirmwareFramebuffer(.efifb, fb) })
        #expect(report.complaint?.hasPrefix("BAR 0 holds efifb 0xc0000000-0xc03e7fff; not proven: ") == true)
    }

    @Test("A function that is not on VFIO is a complaint, which names its driver", arguments: ["snd_hda_intel", nil])
    func companion(_ driver: String?) throws {
        let report = try verify(claimed { Function(audio, class: 0x040300, driver: driver) })
        #expect(
            report.complaint
                == "\(audio) is bound to \(driver ?? "no driver"), not to vfio-pci or a variant of it")
        #expect(report.proofs.isEmpty)
    }

    @Test("What a plan would refuse is a complaint")
    func refusal() throws {
        let report = try verify(claimed { Line(0xc010_0000...0xc010_ffff, "mystery") })
        #expect(report.complaint?.hasPrefix("unknown-owner: ") == true)
        #expect(report.refusal == nil)
    }

    @Test("What is no GPU is no question", arguments: ["0000:09:00.0", audio])
    func noQuestion(_ address: String) throws {
        let report = try verify(claimed { Function(audio, class: 0x040300, driver: "vfio-pci") }, address)
        #expect(report.refusal != nil)
        #expect(report.complaint == nil)
    }

    @Test("A BAR that VFIO does not give, and a call that it refuses, are complaints")
    func unproven() throws {
        let host = try claimed()
        host.barsThatVFIOLacks = [0]
        #expect(try verify(host).complaint?.contains("BAR 0: missing") == true)
        host.vfioError = VFIOError(call: "VFIO_SET_IOMMU", target: "/dev/vfio/1", errno: .resourceBusy)
        #expect(try verify(host).complaint?.contains("VFIO_SET_IOMMU") == true)
    }

    @Test("A BAR of which nobody knows whether it is there is a doubt, with which nothing is verified")
    func doubt() throws {
        let host = try claimed()
        host.barsOfDoubt = [3]
        #expect(
            try verify(host).complaint?.hasPrefix("not proven: \(gpu) BAR 3: it is not known whether the card has it")
                == true)
        // For a claim it is none that fails it, and it is said.
        let outcome = try host.claim()
        #expect(outcome.failure == nil)
        #expect(outcome.doubt?.contains("BAR 3") == true)
    }

    @Test("What is to be proven is every function, with its group and all of its BARs")
    func targets() throws {
        let host = try FixtureHost {
            GPU(
                gpu, bars: [BAR(0, 0xc000_0000...0xc0ff_ffff), BAR(2, 0xc100_0000...0xc100_ffff)], driver: "vfio-pci",
                group: 7)
            Function(
                audio, class: 0x040300, bars: [BAR(0, 0xc200_0000...0xc200_3fff)], driver: "vfio-pci", group: 8)
        }
        _ = try verify(host)
        #expect(
            host.targets == [
                ProofTarget(
                    address: try #require(PCIAddress(gpu)), group: 7, bars: [0: 0x100_0000, 2: 0x1_0000]),
                ProofTarget(address: try #require(PCIAddress(audio)), group: 8, bars: [0: 0x4000]),
            ])
    }

    @Test("A virtual function is proven as one")
    func virtual() throws {
        let host = try FixtureHost {
            GPU("0000:00:02.0", class: 0x030000, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], driver: "i915", group: 2)
            GPU("0000:00:02.1", class: 0x030000, driver: "vfio-pci", physicalFunction: "0000:00:02.0")
        }
        _ = try verify(host, "0000:00:02.1")
        #expect(host.targets.map(\.isVirtual) == [true])
    }
}

/// What the udev rule did to a card that was never claimed after it.
@Suite("Taking back the rule")
struct RuleTests {
    private func host(user: Bool = false, marked: Bool = true) throws -> FixtureHost {
        let host = try FixtureHost {
            GPU(gpu, driver: "vfio-pci", override: "vfio-pci")
            if marked { UdevRule(reserved: gpu) }
            if user { Process(900, "qemu-system-x86", holds: "/dev/vfio/1") }
        }
        return host
    }

    @Test("The host's driver gets its chance", arguments: [nil, "bochs-drm"])
    func probe(_ driver: String?) throws {
        let host = try host()
        try host.folder.makeFolder("/sys/bus/pci/drivers/bochs-drm")
        host.kernel.matchingDriver = driver
        let result = try Releaser(host: host).undoRule(of: try #require(PCIAddress(gpu)))
        #expect(result?.isComplete == true)
        #expect(try host.driver == driver)
        #expect(try host.attribute("/sys/bus/pci/devices/\(gpu)/driver_override") == nil)
    }

    @Test("Who has the card open keeps it, and what no rule did is left", arguments: [(true, true), (false, false)])
    func left(_ isUsed: Bool, _ isMarked: Bool) throws {
        let host = try host(user: isUsed, marked: isMarked)
        #expect(try Releaser(host: host).undoRule(of: try #require(PCIAddress(gpu))) == nil)
        #expect(host.writes.isEmpty)
    }
}
