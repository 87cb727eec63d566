#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// No descriptor left for this process, by its limit: in an instant, where taking thousands would itself block the loop.
final class DescriptorHoard {
    private var before = rlimit()

    init() {
        // Neither call can fail: the resource exists, and the soft limit only goes down and up to where it was.
        _ = getrlimit(DescriptorHoard.resource, &before)
        var none = rlimit(rlim_cur: 3, rlim_max: before.rlim_max)
        _ = setrlimit(DescriptorHoard.resource, &none)
    }

    func release() { _ = setrlimit(DescriptorHoard.resource, &before) }

    #if os(Linux)
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let resource = RLIMIT_NOFILE
    #endif
}
