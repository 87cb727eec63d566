#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Plot {
    static func log(_ value: Double) -> Double { log10(value) }
    static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}
