package import Aperture
package import Reclaim

extension FixtureHost {
    /// The GPU of most fixtures.
    package static let usualGPU = "0000:01:00.0"

    private static func address(_ text: String) throws -> PCIAddress {
        guard let address = PCIAddress(text) else { throw NoAddress(text: text) }
        return address
    }

    private struct NoAddress: Error {
        let text: String
    }

    /// Claims the GPU, and waits for a held framebuffer for a second.
    package func claim(
        _ gpu: String = usualGPU, options: ClaimOptions = ClaimOptions(), proves: Bool = true
    ) throws -> ClaimOutcome {
        var settings = Claimer<FixtureHost>.Settings()
        settings.options = options
        settings.proves = proves
        settings.releaseDeadline = 1000
        return try Claimer(host: self, settings: settings).claim(try Self.address(gpu))
    }

    package func release(keeps: Bool = false) throws -> ReleaseOutcome {
        try Releaser(host: self).release(try Self.address(Self.usualGPU), keeps: keeps)
    }

    /// The driver of the GPU.
    package var driver: String? {
        get throws { try driver(ofDevice: KernelPath.device(try Self.address(Self.usualGPU))) }
    }
}

extension ClaimOutcome {
    package var isClaimed: Bool { if case .claimed = result { true } else { false } }
}

extension TemporaryFolder {
    /// The machine's state; a module that was loaded for a claim stays loaded, and changes nothing by itself.
    package func state() throws -> [String: String] {
        try contents().filter { file in
            !["bochs-drm", "vfio-pci"].contains { file.key.hasPrefix("sys/bus/pci/drivers/\($0)") }
        }
    }
}
