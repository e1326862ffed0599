/// What reading /proc/iomem gave.
package enum MemoryMap: Sendable {
    /// Every line, with its addresses.
    case entries(IomemTree)
    /// Every address is zero: the reader lacks CAP_SYS_ADMIN (`r_show()`). That is "cannot see", never "no conflict".
    case masked
    /// It could not be read, or holds no line at all; with the reason.
    case unreadable(String)
}
