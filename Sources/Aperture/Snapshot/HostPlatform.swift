/// The machine as far as it decides how devices are isolated, and what a person has to change to have that.
package struct HostPlatform: Hashable, Sendable {
    package enum Processor: Hashable, Sendable {
        case x86
        case arm
        case other
    }

    package var processor = Processor.x86
    /// Whether this is the control domain of Xen (`control_d` in /proc/xen/capabilities): the hypervisor has the IOMMU, and
    /// Linux shows no groups.
    package var isXenControlDomain = false

    package init() {}
}
