/// What a bus of D-Bus and a service manager on it answer, as bytes: written without anything of the product's.
public enum BusAnswer {
    /// The answer to the greeting.
    public static let ok = Array("OK 0123456789abcdef0123456789abcdef\r\n".utf8)

    /// The values of an answer.
    public enum Value {
        /// A string.
        case string(String)
        /// An object's path.
        case path(String)
        /// A number.
        case number(UInt32)
        /// A string in a variant, which is what a property is.
        case property(String)

        var type: String {
            switch self {
            case .string: "s"
            case .path: "o"
            case .number: "u"
            case .property: "v"
            }
        }
    }

    /// The answer to the call of this number.
    public static func answer(to serial: UInt32, _ values: Value...) -> [UInt8] {
        message(2, [field(5, "u", number(serial))], values)
    }

    /// The answer to the call of this number, with one more field in its head: its bytes, from a boundary of 8.
    public static func answer(to serial: UInt32, _ values: Value..., field more: [UInt8]) -> [UInt8] {
        message(2, [more, field(5, "u", number(serial))], values)
    }

    /// The error that a call ends with.
    public static func failure(of serial: UInt32, _ name: String, _ text: String) -> [UInt8] {
        message(3, [field(4, "s", string(name)), field(5, "u", number(serial))], [.string(text)])
    }

    /// The signal that a job of a service manager's has ended.
    public static func jobRemoved(_ job: String, of unit: String, _ result: String) -> [UInt8] {
        let fields = [
            field(1, "o", string("/org/freedesktop/systemd1")),
            field(2, "s", string("org.freedesktop.systemd1.Manager")),
            field(3, "s", string("JobRemoved")), field(7, "s", string(":1.2")),
        ]
        return message(4, fields, [.number(17), .path(job), .string(unit), .string(result)])
    }

    private static func message(_ type: UInt8, _ fields: [[UInt8]], _ values: [Value]) -> [UInt8] {
        var body: [UInt8] = []
        for value in values {
            switch value {
            case .string(let text), .path(let text): body = padded(body, 4) + string(text)
            case .number(let value): body = padded(body, 4) + number(value)
            case .property(let text): body = padded(body + [1, 0x73, 0], 4) + string(text)
            }
        }
        let signature = Array(values.map(\.type).joined().utf8)
        let all = fields + [[8, 1, 0x67, 0, UInt8(signature.count)] + signature + [0]]
        let head = all.reduce([]) { padded($0, 8) + $1 }
        let fixed = [0x6C, type, 1, 1] + number(UInt32(body.count)) + number(99) + number(UInt32(head.count))
        return padded(fixed + head, 8) + body
    }

    /// The number of a call, which its answer names.
    public static func serial(ofCall bytes: [UInt8]) -> UInt32 { read(bytes[8..<12]) }

    /// How long the message is that the bytes begin with; nil if that has not come yet.
    public static func length(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 16 else { return nil }
        return (16 + Int(read(bytes[12..<16])) + 7) / 8 * 8 + Int(read(bytes[4..<8]))
    }

    private static func field(_ code: UInt8, _ type: String, _ value: [UInt8]) -> [UInt8] {
        [code, 1] + Array(type.utf8) + [0] + value
    }

    private static func string(_ text: String) -> [UInt8] { number(UInt32(text.utf8.count)) + Array(text.utf8) + [0] }

    private static func number(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func read(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func padded(_ bytes: [UInt8], _ boundary: Int) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: -bytes.count & (boundary - 1))
    }
}
