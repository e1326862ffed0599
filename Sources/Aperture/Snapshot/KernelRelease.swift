/// A kernel's version, from `/proc/sys/kernel/osrelease`, and what the kernel of that version does.
///
/// Each quirk names the commit that began or ended it and the first release that has it. A distribution may have
/// backported the commit to an earlier release: a decision here must be safe there as well.
package struct KernelRelease: Hashable, Sendable {
    /// The release as the kernel prints it: `6.1.0-50-amd64`.
    package let text: String
    /// 6 of `6.1.0-50-amd64`.
    package let major: Int
    /// 1 of `6.1.0-50-amd64`.
    package let minor: Int

    /// Reads `6.1.0-50-amd64`; `nil` unless the text begins with two numbers and a dot between them.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix(while: \.isNumber)) else {
            return nil
        }
        self.text = text
        self.major = major
        self.minor = minor
    }

    /// Whether this is the given version or a later one.
    package func isAtLeast(_ major: Int, _ minor: Int) -> Bool {
        (self.major, self.minor) >= (major, minor)
    }
}

extension KernelRelease: CustomStringConvertible {
    package var description: String { text }
}

// MARK: - Quirks

extension KernelRelease {
    /// Whether unbinding an fbdev driver can crash while its node is open: before 5.18 `.remove` freed what
    /// `fb_destroy()` still uses (fixed by d258d00fb9c7, "fbdev: efifb: Cleanup fb_info in .fb_destroy rather than
    /// .remove").
    package var heldUnbindCrashes: Bool { !isAtLeast(5, 18) }

    /// Whether a driver with `driver_managed_dma` may share an IOMMU group with VFIO: since 5.19 (512881eacfa7, "bus:
    /// platform,amba,fsl-mc,PCI: Add device DMA ownership management"). Before, VFIO tolerated every PCI bridge.
    package var hasManagedDMA: Bool { isAtLeast(5, 19) }

    /// Whether vfio-pci evicts the framebuffers of a VGA-class device when it binds: since 6.0 (d17378062079,
    /// "vfio/pci: Remove console drivers").
    package var vfioEvictsVGA: Bool { isAtLeast(6, 0) }

    /// Whether a native driver's probe unregisters the framebuffer's platform device: since 6.0 (873eb3b11860, "fbdev:
    /// Disable sysfb device registration when removing conflicting FBs").
    package var nativeProbeDropsFramebuffer: Bool { isAtLeast(6, 0) }

    /// Whether the kernel's helper unregisters a sysfb device that has no driver only for the boot VGA device: from 6.4
    /// (5ae3716cfdcd, "video/aperture: Only remove sysfb on the default vga pci device") to 6.10 (ended by
    /// b49420d6a1ae, "video/aperture: optionally match the device in sysfb_disable()").
    package var sysfbDisableIsForBootVGA: Bool { isAtLeast(6, 4) && !isAtLeast(6, 11) }

    /// Whether the framebuffer's platform device is a child of the GPU's PCI device, so that removing the GPU removes it
    /// and frees `BOOTFB`: since 6.9 (9eac534db001, "firmware/sysfb: Set firmware-framebuffer parent device"). Before,
    /// the orphaned range keeps a pointer to a freed parent.
    package var removalFreesBootFB: Bool { isAtLeast(6, 9) }

    /// Whether sysfs lists how a function can be reset (`reset_method`), and has no list where nothing can: since 5.15
    /// (`pci_dev_reset_method_attr_is_visible()`).
    package var listsResetMethods: Bool { isAtLeast(5, 15) }

    /// Whether sysfs shows which sizes a BAR can have (`resourceN_resize`): since 6.1 (91fa127794ac, "PCI: Expose PCIe
    /// Resizable BAR support via sysfs").
    package var showsResizableBARs: Bool { isAtLeast(6, 1) }
}
