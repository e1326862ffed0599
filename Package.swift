// swift-tools-version: 6.2

import PackageDescription

/// The same settings for every Swift target; each number is its Swift Evolution proposal.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),  // SE-0458
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
    .enableUpcomingFeature("InferIsolatedConformances"),  // SE-0470
    .enableUpcomingFeature("ImmutableWeakCaptures"),  // SE-0481
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "apertured",
    products: [
        .executable(name: "apertured", targets: ["apertured"]),
        .executable(name: "apertured-libvirt-hook", targets: ["apertured-libvirt-hook"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // Pure: standard library only.
        .target(name: "Aperture", swiftSettings: settings),

        // C: what Swift cannot import (variadic callbacks, ioctl numbers), and libpci.
        .target(name: "CPCI"),
        .target(name: "CLinux"),
        .target(name: "CJournal"),

        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),

        // Effects.
        .target(name: "KernelFiles", dependencies: ["CLinux", systemPackage], swiftSettings: settings),
        .target(name: "JSONFormat", swiftSettings: settings),
        .target(
            name: "Record", dependencies: ["Aperture", "JSONFormat", "KernelFiles", systemPackage],
            swiftSettings: settings),
        .target(name: "Configuration", dependencies: ["Aperture", "KernelFiles"], swiftSettings: settings),
        .target(
            name: "Enabling", dependencies: ["Aperture", "CLinux", "Configuration", "KernelFiles", systemPackage],
            swiftSettings: settings),
        .target(name: "PCIAccess", dependencies: ["CPCI"], swiftSettings: settings),
        .target(name: "Udev", dependencies: ["CLinux", systemPackage], swiftSettings: settings),
        .target(
            name: "Journal", dependencies: ["CJournal", "JSONFormat", systemPackage], swiftSettings: settings),
        .target(name: "Units", dependencies: ["CLinux"], swiftSettings: settings),
        .target(
            name: "VFIO", dependencies: ["Aperture", "CLinux", "KernelFiles", systemPackage], swiftSettings: settings),
        .target(
            name: "Reclaim",
            dependencies: ["Aperture", "CLinux", "KernelFiles", "Record", "Units", "VFIO", systemPackage],
            swiftSettings: settings),
        .target(
            name: "Guard",
            dependencies: [
                "Aperture", "CLinux", "Configuration", "Journal", "KernelFiles", "Reclaim", "Record", "Udev", "Units",
                "VFIO", systemPackage,
            ],
            swiftSettings: settings),

        .target(
            name: "Report",
            dependencies: ["Aperture", "CLinux", "Configuration", "KernelFiles", "Reclaim", "Record", systemPackage],
            swiftSettings: settings),

        // Faces.
        .executableTarget(
            name: "apertured",
            dependencies: [
                "Aperture", "CLinux", "Configuration", "Enabling", "Guard", "Journal", "JSONFormat", "KernelFiles",
                "PCIAccess", "Reclaim", "Record", "Report", "Udev", "Units", "VFIO", argumentParser, systemPackage,
            ],
            swiftSettings: settings),

        // The hook of apertured-libvirt, a program of its own.
        .target(
            name: "LibvirtHook",
            dependencies: ["Aperture", "CExpat", "KernelFiles", "Record", "Units", systemPackage],
            swiftSettings: settings),
        .executableTarget(
            name: "apertured-libvirt-hook", dependencies: ["CLinux", "KernelFiles", "LibvirtHook"],
            swiftSettings: settings),

        // Not part of the product: ratios, measured side by side.
        .executableTarget(
            name: "ApertureBenchmarks", dependencies: ["Aperture", "KernelFiles", systemPackage],
            path: "Benchmarks/ApertureBenchmarks", swiftSettings: settings),

        .executableTarget(
            name: "GuardSoak",
            dependencies: ["Aperture", "Guard", "Journal", "KernelFiles", "Reclaim", "Udev", systemPackage],
            path: "Benchmarks/GuardSoak", swiftSettings: settings),

        // Tests.
        .target(
            name: "Fixtures",
            dependencies: ["Aperture", "KernelFiles", "Reclaim", "Record", "Report", "Units", "VFIO", systemPackage],
            path: "Tests/Fixtures", swiftSettings: settings),
        .testTarget(
            name: "ApertureTests",
            dependencies: ["Aperture", "Fixtures", "KernelFiles", "Reclaim", "Report", systemPackage],
            resources: [.copy("Samples")], swiftSettings: settings),
        .testTarget(name: "KernelFilesTests", dependencies: ["Fixtures", "KernelFiles"], swiftSettings: settings),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Aperture", "Configuration", "Fixtures", "KernelFiles", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "EnablingTests",
            dependencies: ["Aperture", "Configuration", "Enabling", "Fixtures", "KernelFiles", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "GuardTests",
            dependencies: [
                "Aperture", "Configuration", "Fixtures", "Guard", "Journal", "KernelFiles", "Reclaim", "Record",
                "Udev", systemPackage,
            ],
            swiftSettings: settings),
        .testTarget(name: "JSONFormatTests", dependencies: ["JSONFormat"], swiftSettings: settings),
        .testTarget(name: "JournalTests", dependencies: ["Fixtures", "Journal"], swiftSettings: settings),
        .testTarget(name: "PCIAccessTests", dependencies: ["Fixtures", "PCIAccess"], swiftSettings: settings),
        .testTarget(
            name: "ReclaimTests",
            dependencies: ["Aperture", "Fixtures", "KernelFiles", "Reclaim", "Record", "Units", "VFIO", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "VFIOTests", dependencies: ["Aperture", "Fixtures", "KernelFiles", "VFIO", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "ReportTests",
            dependencies: [
                "Aperture", "Configuration", "Fixtures", "KernelFiles", "Reclaim", "Record", "Report", systemPackage,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "LibvirtHookTests",
            dependencies: [
                "Aperture", "apertured-libvirt-hook", "Fixtures", "KernelFiles", "LibvirtHook", "Record", "Units",
                systemPackage,
            ],
            resources: [.copy("Domains")], swiftSettings: settings),
        .target(name: "CCalls", path: "Tests/CCalls"),
        .testTarget(
            name: "RecordTests",
            dependencies: ["Aperture", "CCalls", "Fixtures", "KernelFiles", "Record", systemPackage],
            swiftSettings: settings),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "Aperture", "apertured", "Configuration", "Fixtures", "Journal", "KernelFiles", "Reclaim", "Record",
                "VFIO", systemPackage,
            ],
            swiftSettings: settings),
    ]
)

// These link only with the flags that Fuzz/run gives: libFuzzer comes with them.
if Context.environment["APERTURED_FUZZ"] != nil {
    package.targets += [
        .target(name: "CFuzzer", path: "Fuzz/CFuzzer"),
        .target(name: "Fuzzing", dependencies: ["CFuzzer"], path: "Fuzz/Fuzzing", swiftSettings: settings),
    ]
    package.targets += ["Iomem", "Resource", "BootParameters", "Record", "Address", "Uevent", "Maps", "Configuration"]
        .map { name in
            .executableTarget(
                name: "Fuzz\(name)",
                dependencies: ["Aperture", "Configuration", "Fuzzing", "Reclaim", "Record", "Udev"],
                path: "Fuzz/\(name)", exclude: ["seeds"], swiftSettings: settings)
        }
}
