import Histogram

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// HDR histograms as text that every HdrHistogram tool reads: version 2, compressed, in base64, beginning with
/// HISTFAAAA.
///
/// The compression is nominal: the deflate stream consists of stored blocks, so that no compressor is needed. Only
/// texts written here can be read back.
enum HistogramFile {
    private static let compressedCookie: UInt32 = 0x1C84_9304 | 0x10
    private static let cookie: UInt32 = 0x1C84_9303 | 0x10

    static func encode(_ histogram: Histogram<UInt64>) -> String {
        var counts: [UInt8] = []
        var zeros = 0
        var last = 0
        let all = histogram.allValues().map(\.count)
        for (index, count) in all.enumerated() where count > 0 { last = index + 1 }
        for count in all[..<last] {
            if count == 0 {
                zeros += 1
                continue
            }
            if zeros > 0 { append(zigzag: -Int64(zeros), to: &counts) }
            zeros = 0
            append(zigzag: Int64(count), to: &counts)
        }
        var body: [UInt8] = []
        append(cookie, to: &body)
        append(UInt32(counts.count), to: &body)
        append(UInt32(0), to: &body)  // normalising index offset
        append(UInt32(histogram.numberOfSignificantValueDigits.rawValue), to: &body)
        append(histogram.lowestDiscernibleValue, to: &body)
        append(histogram.highestTrackableValue, to: &body)
        append((1.0).bitPattern, to: &body)
        body += counts
        let stored = deflateStored(body)
        var bytes: [UInt8] = []
        append(compressedCookie, to: &bytes)
        append(UInt32(stored.count), to: &bytes)
        return Data(bytes + stored).base64EncodedString()
    }

    static func decode(_ text: String) throws -> Histogram<UInt64> {
        guard let data = Data(base64Encoded: text), let body = inflateStored([UInt8](data)), body.count >= 40 else {
            throw StressError("not a histogram of uvkeeper-stress")
        }
        let number = { (start: Int, count: Int) in
            body[start..<start + count].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        guard number(0, 4) == UInt64(cookie), let digits = SignificantDigits(rawValue: Int8(number(12, 4))) else {
            throw StressError("a histogram of another version")
        }
        var histogram = Histogram<UInt64>(
            lowestDiscernibleValue: number(16, 8), highestTrackableValue: number(24, 8),
            numberOfSignificantValueDigits: digits)
        let values = histogram.allValues().map(\.value)
        var index = 0
        var position = 40
        while position < body.count {
            let value = readZigzag(body, &position)
            if value < 0 {
                index += Int(-value)
            } else {
                guard index < values.count else { throw StressError("a damaged histogram") }
                histogram.record(values[index], count: UInt64(value))
                index += 1
            }
        }
        return histogram
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
    }

    /// LEB128 of at most nine bytes, the last with eight bits.
    private static func append(zigzag value: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
        for _ in 0..<8 {
            guard rest >= 0x80 else { return bytes.append(UInt8(rest)) }
            bytes.append(UInt8(rest & 0x7F | 0x80))
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func readZigzag(_ bytes: [UInt8], _ position: inout Int) -> Int64 {
        var value: UInt64 = 0
        for index in 0..<9 where position < bytes.count {
            let byte = UInt64(bytes[position])
            position += 1
            value |= (index < 8 ? byte & 0x7F : byte) << UInt64(7 * index)
            if index < 8, byte & 0x80 == 0 { break }
        }
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    private static func deflateStored(_ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x78, 0x01]
        var start = 0
        repeat {
            let count = min(65535, body.count - start)
            bytes.append(start + count == body.count ? 1 : 0)
            bytes += [UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8 & 255)]
            bytes += body[start..<start + count]
            start += count
        } while start < body.count
        append(adler(body), to: &bytes)
        return bytes
    }

    private static func inflateStored(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count > 14, bytes[8] == 0x78 else { return nil }
        var body: [UInt8] = []
        var position = 10
        while position + 5 <= bytes.count {
            let kind = bytes[position]
            guard kind <= 1 else { return nil }
            let count = Int(bytes[position + 1]) | Int(bytes[position + 2]) << 8
            position += 5
            guard position + count <= bytes.count else { return nil }
            body += bytes[position..<position + count]
            position += count
            if kind == 1 { return body }
        }
        return nil
    }

    private static func adler(_ bytes: [UInt8]) -> UInt32 {
        var a: UInt32 = 1
        var b: UInt32 = 0
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        return b << 16 | a
    }
}
