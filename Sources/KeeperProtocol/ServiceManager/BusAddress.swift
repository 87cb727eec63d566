internal import UVLoop

/// Addresses of D-Bus; only unix sockets are understood: `unix:path=/run/dbus/system_bus_socket,guid=...`.
package enum BusAddress {
    /// The paths of the sockets named in the text, to be tried in this order; none if there are only abstract sockets, for
    /// instance.
    ///
    /// - Parameter text: addresses separated by semicolons, each with values in which bytes may be escaped as `%2f`.
    package static func paths(in text: String) -> [String] {
        text.utf8.split(separator: UInt8(ascii: ";")).compactMap { address in
            guard address.starts(with: "unix:".utf8) else { return nil }
            for pair in address.dropFirst("unix:".utf8.count).split(separator: UInt8(ascii: ",")) {
                guard pair.starts(with: "path=".utf8), let path = unescaped(pair.dropFirst("path=".utf8.count)),
                    path.utf8.first == UInt8(ascii: "/")
                else { continue }
                return path
            }
            return nil
        }
    }

    private static func unescaped(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit), high + low > 0
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return RawText.string(bytes)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
