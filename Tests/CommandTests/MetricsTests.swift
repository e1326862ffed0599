import Aperture
import Fixtures
import Foundation
import KernelFiles
import Record
import SystemPackage
import Testing

/// `status --metrics`, what is counted, and the file that is kept new.
struct MetricsTests {
    private static let gpu = "0000:01:00.0"

    /// What the program prints, as series and their values. It is taken apart by the format's rules: each metric has its
    /// help and its type once, before its series, and no series comes twice.
    private struct Metrics {
        var values: [String: String] = [:]
        var types: [String: String] = [:]

        init(_ text: String) throws {
            var described: Set<Substring> = []
            var current: Substring?
            #expect(text.hasSuffix("\n"))
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                if let match = line.wholeMatch(of: /# HELP (\w+) (.+)/) {
                    #expect(described.insert(match.1).inserted, "\(line)")
                    current = match.1
                } else if let match = line.wholeMatch(of: /# TYPE (\w+) (counter|gauge)/) {
                    #expect(match.1 == current, "\(line)")
                    types[String(match.1)] = String(match.2)
                } else {
                    let match = try #require(
                        line.wholeMatch(of: /((\w+)(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) ([0-9.]+)/), "\(line)")
                    #expect(match.2 == current, "\(line)")
                    #expect(values.updateValue(String(match.3), forKey: String(match.1)) == nil, "\(line)")
                }
            }
            #expect(Set(types.keys) == Set(described.map(String.init)))
        }

        subscript(_ series: String) -> String? { values[series] }

        /// The series of a metric.
        func of(_ name: String) -> [String: String] { values.filter { $0.key == name || $0.key.hasPrefix(name + "{") } }
    }

    private func metrics(_ host: FixtureHost, _ arguments: String...) throws -> Metrics {
        let result = try CommandLine.run(["status", "--metrics", "--root", host.folder.path] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        return try Metrics(result.output)
    }

    /// Three GPUs: one with a proven claim that a guest has, one with the firmware's framebuffer, and one of the host.
    private static func machine() throws -> FixtureHost {
        let host = try FixtureHost {
            GPU(
                gpu, class: 0x030000, bars: [BAR(0, 0xd000_0000...0xd0ff_ffff), BAR(1, 0xd100_0000...0xd100_ffff)],
                driver: "vfio-pci", group: 4, vendor: 0x10de, device: 0x2684)
            Function(
                "0000:01:00.1", class: 0x040300, bars: [BAR(0, 0xd200_0000...0xd200_3fff)], driver: "vfio-pci", group: 4
            )
            GPU("0000:02:00.0", bars: [BAR(0, 0xc000_0000...0xc0ff_ffff)], group: 5)
            GPU("0000:03:00.0", bars: [BAR(0, 0xe000_0000...0xe0ff_ffff)], driver: "a\"b\\c", group: 6)
            FirmwareFramebuffer(.efifb, 0xc000_0000...0xc03e_7fff)
            Process(4242, "qemu-system-x86", holds: "/dev/vfio/4")
        }
        let functions = [gpu, "0000:01:00.1"].compactMap { PCIAddress($0) }.map {
            PriorState.Function(address: $0, driver: nil, driverOverride: nil, bars: [:])
        }
        let prior = PriorState(functions: functions, framebuffers: [], consoles: [])
        var record = ClaimRecord(gpu: try #require(PCIAddress(gpu)), state: .claimed, prior: prior, start: prior)
        (record.since, record.proof) = (1_790_000_000, .init(time: 1_790_000_100, bars: 3))
        try host.save(record)
        return host
    }

    @Test func `each card has its series, with the values of its state`() throws {
        let host = try Self.machine()
        let metrics = try metrics(host)
        #expect(metrics[#"apertured_build_info{version="0.1.0"}"#] == "1")
        let labels = #"{gpu="0000:01:00.0"}"#
        #expect(metrics["apertured_gpu_claimed_timestamp_seconds" + labels] == "1790000000")
        #expect(metrics["apertured_gpu_proven_timestamp_seconds" + labels] == "1790000100")
        #expect(metrics["apertured_gpu_bars" + labels] == "3")
        #expect(metrics["apertured_gpu_mapped_bars" + labels] == "3")
        #expect(metrics["apertured_gpu_in_use" + labels] == "1")
        #expect(metrics["apertured_gpu_conflicts" + labels] == "0")
        #expect(metrics["apertured_gpu_enabled" + labels] == "0")
        #expect(metrics[#"apertured_gpu_conflicts{gpu="0000:02:00.0"}"#] == "1")
        #expect(metrics[#"apertured_gpu_bars{gpu="0000:02:00.0"}"#] == "1")
        #expect(metrics[#"apertured_gpu_in_use{gpu="0000:02:00.0"}"#] == "0")
        // No claim, so no times and no proof.
        for name in ["claimed_timestamp_seconds", "proven_timestamp_seconds", "mapped_bars"] {
            #expect(metrics.of("apertured_gpu_\(name)").count == 1)
        }
        #expect(metrics.of("apertured_gpu_unreadable").isEmpty)
        let written = try #require(metrics["apertured_metrics_written_timestamp_seconds"].flatMap { Double($0) })
        #expect(abs(written - Date.now.timeIntervalSince1970) < 600)
        #expect(Set(metrics.types.filter { $0.value == "counter" }.keys) == ["apertured_claims_total"])
    }

    @Test func `a card is in one state of all that status knows`() throws {
        let metrics = try metrics(try Self.machine())
        for (gpu, state) in [(Self.gpu, "in use"), ("0000:02:00.0", "framebuffer"), ("0000:03:00.0", "host")] {
            let states = metrics.values.filter { $0.key.hasPrefix("apertured_gpu_state{gpu=\"\(gpu)\"") }
            #expect(states.count == 9)
            #expect(
                states.filter { $0.value == "1" }.map(\.key) == [
                    "apertured_gpu_state{gpu=\"\(gpu)\",state=\"\(state)\"}"
                ])
        }
    }

    @Test func `labels say what a card is, escaped, and nothing that a process chooses`() throws {
        let metrics = try metrics(try Self.machine())
        let infos = metrics.of("apertured_gpu_info").keys.sorted()
        #expect(infos.count == 3)
        #expect(infos[0].contains(#"{gpu="0000:01:00.0",vendor="10de",device="2684",class="0300",name=""#))
        #expect(infos[0].hasSuffix(#",driver="vfio-pci",group="4"}"#))
        // A card without a driver has no such label.
        #expect(!infos[1].contains("driver="))
        #expect(infos[2].contains(#"driver="a\"b\\c""#))
        #expect(!metrics.values.keys.contains { $0.contains("qemu") || $0.contains("4242") })
    }

    @Test func `only the GPUs are there, or those that were asked for`() throws {
        let host = try Self.machine()
        let all = try metrics(host).values.keys
        #expect(!all.contains { $0.contains("0000:01:00.1") })
        let one = try metrics(host, "0000:02:00.0").of("apertured_gpu_info")
        #expect(one.count == 1 && one.keys.allSatisfy { $0.contains("0000:02:00.0") })
        let none = try CommandLine.run("status", "--metrics", "0000:09:00.0", "--root", host.folder.path)
        #expect(none.status == 3)
        #expect(none.errors.contains("no-such-device"))
    }

    @Test func `without GPUs there is still what the program is, and when it wrote`() throws {
        let metrics = try metrics(try FixtureHost {})
        #expect(Set(metrics.types.keys) == ["apertured_build_info", "apertured_metrics_written_timestamp_seconds"])
    }

    // MARK: - What cannot be read

    @Test func `what is in hidden BARs is unknown, and not none`() throws {
        let host = try FixtureHost {
            MaskedMemoryMap()
            GPU(Self.gpu)
        }
        let metrics = try metrics(host)
        #expect(metrics.of("apertured_gpu_conflicts").isEmpty)
        #expect(metrics[#"apertured_gpu_state{gpu="0000:01:00.0",state="unknown"}"#] == "1")
        #expect(metrics[#"apertured_gpu_unreadable{gpu="0000:01:00.0",what="conflicts"}"#] == "1")
    }

    @Test func `a record that cannot be used makes the claim unknown, and counters theirs`() throws {
        let host = try Self.machine()
        try host.folder.write("{", to: "/run/apertured/\(Self.gpu).json")
        try CounterStore(tree: FileTree(root: FilePath(host.folder.path))).update(
            try #require(PCIAddress("0000:02:00.0")), within: 0
        ) { $0.fail("in-use") }
        let path = "/run/apertured/counters/0000:02:00.0.json"
        try FileManager.default.setAttributes([.posixPermissions: 0o622], ofItemAtPath: host.folder.path + path)
        let metrics = try metrics(host)
        #expect(metrics.of("apertured_gpu_claimed_timestamp_seconds").isEmpty)
        #expect(
            Set(metrics.of("apertured_gpu_unreadable").keys) == [
                #"apertured_gpu_unreadable{gpu="0000:01:00.0",what="claim"}"#,
                #"apertured_gpu_unreadable{gpu="0000:02:00.0",what="counters"}"#,
            ])
        #expect(metrics[#"apertured_claims_total{gpu="0000:02:00.0"}"#] == nil)
        #expect(metrics[#"apertured_claims_total{gpu="0000:01:00.0"}"#] == "0")
        #expect(metrics.of("apertured_claim_failures_total").isEmpty)
    }

    @Test func `a configuration that cannot be read does not tell that the common guard has no card`() throws {
        let host = try Self.machine()
        let enabled = "apertured_gpu_enabled{gpu=\"\(Self.gpu)\"}"
        let unreadable = "apertured_gpu_unreadable{gpu=\"\(Self.gpu)\",what=\"enablement\"}"
        let wants = "/etc/systemd/system/multi-user.target.wants"
        try host.folder.makeFolder("/etc/apertured.conf.d/50.conf")
        // There is no such guard, whatever the configuration says.
        #expect(try metrics(host)[enabled] == "0")
        try host.folder.link("\(wants)/apertured.service", to: "/usr/lib/systemd/system/apertured.service")
        var found = try metrics(host)
        #expect(found.of("apertured_gpu_enabled").isEmpty)
        #expect(found[unreadable] == "1")
        // A unit of its own is enough.
        try host.folder.link(
            "\(wants)/apertured@\(Self.gpu).service", to: "/usr/lib/systemd/system/apertured@.service")
        found = try metrics(host)
        #expect(found.of("apertured_gpu_enabled") == [enabled: "1"])
        #expect(found[unreadable] == nil)
    }

    @Test func `a device that cannot be read has no series but the one that says so`() throws {
        let host = try Self.machine()
        try host.folder.write("nonsense\n", to: "/sys/bus/pci/devices/0000:03:00.0/resource")
        let result = try CommandLine.run("status", "--metrics", "--root", host.folder.path)
        let metrics = try Metrics(result.output)
        #expect(result.errors.contains("0000:03:00.0 could not be read"))
        let series = metrics.values.keys.filter { $0.contains("0000:03:00.0") }
        #expect(series == [#"apertured_gpu_unreadable{gpu="0000:03:00.0",what="device"}"#])
    }

    // MARK: - What is counted

    @Test func `each claim is counted once, a failed one by its code`() throws {
        let host = try FixtureHost { GPU(Self.gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        for _ in 0..<2 {
            let result = try CommandLine.run("claim", Self.gpu, "--no-verify", "--root", host.folder.path)
            #expect(result.status == 0, "\(result.errors)")
        }
        let before = try metrics(host)
        #expect(before[#"apertured_claims_total{gpu="0000:01:00.0"}"#] == "2")
        #expect(before.of("apertured_claim_failures_total").isEmpty)
        #expect(before[#"apertured_claim_last_failed{gpu="0000:01:00.0"}"#] == "0")
        let duration = try #require(before[#"apertured_claim_duration_seconds{gpu="0000:01:00.0"}"#])
        #expect(duration.wholeMatch(of: /\d+\.\d{3}/) != nil)
        let holder = try LockHolder(root: host.folder.path)
        #expect(try CommandLine.run("claim", Self.gpu, "--lock-wait", "0", "--root", host.folder.path).status == 3)
        holder.end()
        // A plan is no claim.
        _ = try CommandLine.run("claim", Self.gpu, "--dry-run", "--root", host.folder.path)
        let after = try metrics(host)
        #expect(after[#"apertured_claims_total{gpu="0000:01:00.0"}"#] == "3")
        #expect(
            after.of("apertured_claim_failures_total") == [
                #"apertured_claim_failures_total{gpu="0000:01:00.0",code="locked"}"#: "1"
            ])
        #expect(after[#"apertured_claim_last_failed{gpu="0000:01:00.0"}"#] == "1")
        #expect(after[#"apertured_claim_duration_seconds{gpu="0000:01:00.0"}"#] == duration)
    }

    @Test func `a failed step is counted, and so is a refusal, with its first code`() throws {
        let host = try FixtureHost {
            GPU(Self.gpu, driver: "bochs-drm")
            Process(77, "Xorg", holds: "/dev/dri/card0")
        }
        try host.folder.makeFolder("/run/apertured")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o700], ofItemAtPath: host.folder.path + "/run/apertured")
        // Plain files do not react.
        let result = try CommandLine.run("claim", Self.gpu, "--root", host.folder.path)
        #expect(result.status == 1 || result.status == 4)
        #expect(try metrics(host).of("apertured_claim_failures_total").values.map(\.self) == ["1"])
    }

    @Test func `what cannot be counted fails no claim, and is said once`() throws {
        let host = try FixtureHost { GPU(Self.gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        try host.folder.write("", to: "/run/apertured/counters")
        try host.folder.write("[Metrics]\nFile=/run/apertured/metrics/a.prom\n", to: "/etc/apertured.conf")
        let result = try CommandLine.run("claim", Self.gpu, "--no-verify", "--root", host.folder.path)
        #expect(result.status == 0)
        let warnings = result.errors.split(separator: "\n").filter { $0.contains("warning: ") }
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("the claim is not counted: ") == true, "\(result.errors)")
        #expect(warnings.first?.contains("/run/apertured/counters") == true)
    }

    // MARK: - Files

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func `a file is replaced as a whole, for everybody to read, and nothing stays beside it`() throws {
        let host = try Self.machine()
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/apertured.prom"
        try folder.write("old", to: "/apertured.prom")
        try FileManager.default.linkItem(atPath: path, toPath: "\(folder.path)/former")
        let result = try CommandLine.run("status", "--metrics", "--output", path, "--root", host.folder.path)
        #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty)
        #expect(try Metrics(try folder.text("/apertured.prom")).of("apertured_gpu_info").count == 3)
        #expect(try mode(path) == 0o644)
        // The old file was not written to.
        #expect(try folder.text("/former") == "old")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["apertured.prom", "former"])
    }

    @Test func `a file that cannot be written is named, and what is no plain file stays`() throws {
        let host = try Self.machine()
        let folder = try TemporaryFolder()
        try folder.symlink("/link", destination: "/dev/null")
        for (path, reason) in [
            ("\(folder.path)/none/x.prom", "No such file"), ("/dev/null", "it exists, and is no plain file"),
            (folder.path, "no plain file"), ("\(folder.path)/link", "no plain file"),
        ] {
            for format in ["--metrics", "--nfd"] {
                let result = try CommandLine.run("status", format, "--output", path, "--root", host.folder.path)
                #expect(result.status == 1)
                #expect(result.errors.contains("cannot write \(path): "), "\(result.errors)")
                #expect(result.errors.contains(reason), "\(result.errors)")
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["link"])
    }

    @Test func `a wrong address leaves the file as it is`() throws {
        let host = try Self.machine()
        let folder = try TemporaryFolder()
        try folder.write("old", to: "/x.prom")
        let result = try CommandLine.run(
            "status", "--metrics", "0000:09:00.0", "--output", "\(folder.path)/x.prom", "--root", host.folder.path)
        #expect(result.status == 3)
        #expect(try folder.text("/x.prom") == "old")
    }

    @Test func `each writing verb keeps the configured files new`() throws {
        let host = try FixtureHost { GPU(Self.gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        let (file, labels) = ("/run/apertured/metrics/apertured.prom", "/srv/apertured")
        try host.folder.makeFolder("/srv")
        try host.folder.write("[Metrics]\nFile=\(file)\nNodeFeatures=\(labels)\n", to: "/etc/apertured.conf")
        for verb in ["claim", "release", "recover", "post-stop"] {
            for path in [file, labels] where host.folder.exists(path) { try host.folder.remove(path) }
            let more = verb == "claim" ? ["--no-verify"] : []
            let result = try CommandLine.run([verb, Self.gpu, "--root", host.folder.path] + more)
            #expect(!result.errors.contains("warning"), "\(verb): \(result.errors)")
            let metrics = try Metrics(try host.folder.text(file))
            #expect(metrics[#"apertured_claims_total{gpu="0000:01:00.0"}"#] == "1", "\(verb)")
            #expect(try host.folder.text(labels).contains("apertured.gpu.count=1\n"), "\(verb)")
            #expect(try mode(host.folder.path + file) == 0o644)
        }
        // Everybody may pass to the file, and see nothing else.
        #expect(try mode(host.folder.path + "/run/apertured") == 0o711)
        #expect(try mode(host.folder.path + "/run/apertured/metrics") == 0o755)
        #expect(try mode(host.folder.path + "/run/apertured/counters") == 0o700)
        // The same text as a run by hand prints, but for the time.
        let printed = try CommandLine.run("status", "--metrics", "--root", host.folder.path).output
        let (time, kept) = (/written_timestamp_seconds \d+/, try host.folder.text(file))
        #expect(kept.replacing(time, with: "") == printed.replacing(time, with: ""))
    }

    @Test func `a guard writes the files when it has started and when it ends, and counts its claim`() throws {
        let host = try Self.machine()
        let file = "/run/apertured/metrics/apertured.prom"
        try host.write("vfio-pci", to: "/sys/bus/pci/devices/\(Self.gpu)/driver_override")
        try host.write("vfio-pci", to: "/sys/bus/pci/devices/0000:01:00.1/driver_override")
        try host.folder.write("[Metrics]\nFile=\(file)\n", to: "/etc/apertured.conf")
        let guarding = Process()
        let errors = Pipe()
        guarding.executableURL = CommandLine.program
        guarding.arguments = ["guard", Self.gpu, "--root", host.folder.path]
        guarding.standardError = errors
        guarding.standardInput = FileHandle.nullDevice
        try guarding.run()
        // It writes the file before it waits.
        var said = ""
        while !said.contains("guarding"), guarding.isRunning {
            said += String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
        }
        var isThere = false
        for _ in 0..<600 where !isThere {
            isThere = host.folder.exists(file)
            if !isThere { Thread.sleep(forTimeInterval: 0.1) }
        }
        #expect(isThere, "\(said)")
        try host.folder.remove(file)
        guarding.terminate()
        said += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        guarding.waitUntilExit()
        #expect(guarding.terminationStatus == 0, "\(said)")
        let metrics = try Metrics(try host.folder.text(file))
        #expect(metrics[#"apertured_claims_total{gpu="0000:01:00.0"}"#] == "1")
        #expect(metrics[#"apertured_claim_last_failed{gpu="0000:01:00.0"}"#] == "0")
        #expect(metrics[#"apertured_gpu_state{gpu="0000:01:00.0",state="in use"}"#] == "1")
    }

    @Test func `a guard that the configuration forbids counts one failure`() throws {
        let host = try Self.machine()
        try host.folder.write("[GPU]\nAddress=\(Self.gpu)\nId=1002:73bf\n", to: "/etc/apertured.conf")
        #expect(try CommandLine.run("guard", Self.gpu, "--root", host.folder.path).status == 3)
        #expect(
            try metrics(host).of("apertured_claim_failures_total") == [
                #"apertured_claim_failures_total{gpu="0000:01:00.0",code="configuration-mismatch"}"#: "1"
            ])
    }

    @Test func `a run waits for another that writes, and reads only then`() throws {
        let host = try Self.machine()
        let folder = try TemporaryFolder()
        let first = try LockHolder(root: host.folder.path, inside: "/counters", seconds: 1)
        defer { first.end() }
        let waited = try ContinuousClock().measure {
            let result = try CommandLine.run(
                "status", "--metrics", "--output", "\(folder.path)/x.prom", "--root", host.folder.path)
            #expect(result.status == 0, "\(result.errors)")
        }
        #expect(waited >= .seconds(1))
    }

    @Test func `a file that cannot be written keeps no other from it, and fails no claim`() throws {
        let host = try FixtureHost { GPU(Self.gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        try host.folder.makeFolder("/srv")
        try host.folder.write("[Metrics]\nFile=/none/a.prom\nNodeFeatures=/srv/labels\n", to: "/etc/apertured.conf")
        let result = try CommandLine.run("claim", Self.gpu, "--no-verify", "--root", host.folder.path)
        #expect(result.status == 0)
        #expect(
            result.errors
                == "apertured: \(Self.gpu): warning: cannot write /none/a.prom: No such file or directory (errno 2)\n")
        #expect(try host.folder.text("/srv/labels").contains("apertured.gpu.count=1\n"))
        #expect(!host.folder.exists("/none"))
    }

    @Test func `without the section nothing is written but the counters`() throws {
        let host = try FixtureHost { GPU(Self.gpu, driver: "vfio-pci", override: "vfio-pci") }
        #expect(try host.claim().isClaimed == false)
        _ = try CommandLine.run("claim", Self.gpu, "--no-verify", "--root", host.folder.path)
        #expect(!host.folder.exists("/run/apertured/metrics"))
        #expect(try mode(host.folder.path + "/run/apertured") == 0o700)
    }

    // MARK: - Labels of a node

    private func labels(_ text: String) -> [String: String] {
        let prefix = "feature.node.kubernetes.io/apertured."
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let parts = line.split(separator: "=", maxSplits: 1)
                #expect(parts.count == 2 && parts[0].hasPrefix(prefix), "\(line)")
                return (String(parts[0].dropFirst(prefix.count)), String(parts[1]))
            })
    }

    @Test func `labels count the cards of each class, what is claimed and what is proven`() throws {
        let host = try Self.machine()
        let text = try CommandLine.run("status", "--nfd", "--root", host.folder.path).output
        let labels = labels(text)
        #expect(labels["gpu.present"] == "true")
        #expect(labels["gpu.count"] == "3" && labels["gpu.claimed"] == "1" && labels["gpu.proven"] == "1")
        #expect(labels["gpu-10de_2684.count"] == "1" && labels["gpu-10de_2684.proven"] == "1")
        #expect(labels["gpu-1234_1111.count"] == "2" && labels["gpu-1234_1111.claimed"] == "0")
        #expect(labels.keys.allSatisfy { $0.wholeMatch(of: /[a-z][a-z0-9._-]{0,50}[a-z0-9]/) != nil })
        #expect(labels["gpu.unreadable"] == nil)
        // A directive holds for the lines behind it, and is a time of RFC 3339.
        let directive = try #require(text.firstMatch(of: /(?m)^# \+expiry-time=(\S+)$/))
        #expect(text[..<directive.range.lowerBound].split(separator: "\n").allSatisfy { $0.hasPrefix("# ") })
        let expiry = try #require(try? Date(String(directive.1), strategy: .iso8601))
        #expect(expiry > Date.now.addingTimeInterval(80_000))
    }

    @Test func `what is claimed is no label where the records cannot be read`() throws {
        let host = try Self.machine()
        try host.folder.write("{", to: "/run/apertured/\(Self.gpu).json")
        let labels = labels(try CommandLine.run("status", "--nfd", "--root", host.folder.path).output)
        #expect(labels["gpu.count"] == "3" && labels["gpu.claimed"] == nil && labels["gpu.proven"] == nil)
        #expect(labels["gpu-10de_2684.claimed"] == nil)
        #expect(labels["gpu-1234_1111.claimed"] == "0")
    }

    @Test func `without GPUs there are no labels`() throws {
        let host = try FixtureHost {}
        let text = try CommandLine.run("status", "--nfd", "--root", host.folder.path).output
        #expect(text.hasPrefix("# ") && labels(text).isEmpty)
    }

    // MARK: - Arguments

    @Test(arguments: [
        ["--metrics", "--json"], ["--metrics", "--watch"], ["--metrics", "--nfd"], ["--metrics", "--map"],
        ["--nfd", "--json"], ["--nfd", "--verbose"], ["--output", "x"], ["--metrics", "--output", ""],
        ["--json", "--output", "x"],
    ])
    func `what contradicts itself is no command`(arguments: [String]) throws {
        let result = try CommandLine.run(["status"] + arguments)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
    }

    /// The names of the metrics in a file of the repository.
    private func names(_ path: String) throws -> Set<String> {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let text = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        return Set(text.matches(of: /apertured_[a-z_]+[a-z]/).map { String($0.output) })
    }

    @Test func `the page explains every metric, and no other`() throws {
        #expect(try names("docs/metrics.md") == names("Sources/apertured/Output/MetricsText.swift"))
    }
}
