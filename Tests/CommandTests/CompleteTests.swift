import Aperture
import Fixtures
import Testing

/// What the completions of the shells ask for.
struct CompleteTests {
    private func lines(_ kind: String, of host: FixtureHost) throws -> [String] {
        let result = try CommandLine.run("complete", kind, "--root", host.folder.path)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.isEmpty)
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test func `GPUs come in the order of their addresses, each with its name`() throws {
        let host = try FixtureHost {
            GPU("0000:02:00.0", bars: [BAR(0, 0xd000_0000...0xd0ff_ffff)], group: 2)
            GPU("0000:01:00.0")
            Function("0000:02:00.1", class: 0x040300, group: 2)
        }
        let rows = try lines("gpus", of: host).map { $0.split(separator: "\t") }
        #expect(rows.map { String($0[0]) } == ["0000:01:00.0", "0000:02:00.0"])
        #expect(rows.allSatisfy { $0.count == 2 && $0[1].contains("1111") })
    }

    @Test func `a machine without GPUs gives no line`() throws {
        #expect(try lines("gpus", of: try FixtureHost { Function("0000:02:00.1", class: 0x040300) }).isEmpty)
    }

    @Test func `the drivers are vfio-pci and the variants that --driver takes`() throws {
        let host = try FixtureHost { GPU("0000:01:00.0") }
        #expect(try lines("drivers", of: host) == ["vfio-pci"])
        let aliases = ["vfio_pci", "xe_vfio_pci", "mlx5_vfio_pci", "strange"].map { module in
            "alias vfio_pci:v00008086d*sv*sd*bc03sc*i* \(module)\n"
        }
        let kernel = try host.folder.text("/proc/sys/kernel/osrelease").split(separator: "\n")[0]
        try host.folder.write(aliases.joined(), to: "/lib/modules/\(kernel)/modules.alias")
        #expect(try lines("drivers", of: host) == ["vfio-pci", "mlx5_vfio_pci", "xe-vfio-pci"])
    }

    @Test func `the native drivers are those that --allow-native takes`() throws {
        let host = try FixtureHost { GPU("0000:01:00.0") }
        for driver in try lines("native-drivers", of: host) {
            let plan = try CommandLine.run(
                "plan", "0000:01:00.0", "--allow-native", driver, "--root", host.folder.path)
            #expect(plan.status == 0, "\(plan.errors)")
        }
    }
}
