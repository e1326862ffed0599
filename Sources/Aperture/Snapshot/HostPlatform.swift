/// What decides how this machine isolates devices, and what a person must change to switch that on.
package struct HostPlatform: Hashable, Sendable {
    /// The processor family, which decides how an IOMMU is called and enabled.
    package enum Processor: Hashable, Sendable {
        /// The IOMMU is VT-d or AMD-Vi.
        case x86
        /// The IOMMU is an SMMU.
        case arm
        case other
    }

    /// The family; x86 until it is read.
    package var processor = Processor.x86
    /// Whether this is the control domain of Xen (`control_d` in /proc/xen/capabilities): the hypervisor controls the
    /// IOMMU, and Linux shows no groups.
    package var isXenControlDomain = false

    /// An x86 machine without Xen.
    package init() {}
}
