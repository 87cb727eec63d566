import TestSupport
import Testing

@testable import KeeperProtocol

@Suite("Messages of D-Bus") struct BusMessageTests {
    private func read(_ bytes: [UInt8]) throws -> BusMessage? {
        var bytes = bytes
        return try BusMessage.take(from: &bytes)
    }

    @Test("what others have written is read")
    func golden() throws {
        let hello = try #require(try read(BusGolden.hello))
        #expect(hello.kind == .answer && hello.replySerial == 1 && hello.signature == "s" && hello.texts == [":1.0"])
        let signal = try #require(try read(BusGolden.nameAcquired))
        #expect(signal.kind == .signal && signal.member == "NameAcquired" && signal.replySerial == nil)
        #expect(signal.interface == "org.freedesktop.DBus" && signal.path == "/org/freedesktop/DBus")
        #expect(signal.texts == [":1.0"])
        let number = try #require(try read(BusGolden.number))
        #expect(number.replySerial == 2 && number.signature == "u" && number.texts == ["1"])
        let error = try #require(try read(BusGolden.unknownName))
        #expect(error.kind == .failure && error.errorName == "org.freedesktop.DBus.Error.ServiceUnknown")
        #expect(error.texts == ["The name no.such.name was not provided by any .service files"])
        let call = try #require(try read(BusGolden.startTransientUnit))
        #expect(call.kind == .call && call.member == "StartTransientUnit" && call.signature == ScopeRequest.signature)
        #expect(call.texts == ["uvkeeper-work-0123456789abcdef.scope", "fail"], "up to the array")
    }

    @Test("a request for a scope has the bytes that busctl writes for the same")
    func writesAsOthers() throws {
        let limits = SessionLimits(
            memoryMaximum: 8_589_934_592, memoryHigh: 4_294_967_296, cpuQuota: 150, tasksMaximum: 100)
        let request = ScopeRequest(
            session: "work", epoch: "0123456789abcdef", slice: "system.slice", limits: limits)
        var body = BusWriter()
        request.write(&body)
        let theirs = try #require(try read(BusGolden.startTransientUnit))
        #expect(body.bytes == theirs.body)
        let call = BusMessage.call(
            "StartTransientUnit", of: "org.freedesktop.systemd1.Manager", at: "/org/freedesktop/systemd1",
            to: "org.freedesktop.systemd1", serial: 2, ScopeRequest.signature
        ) { request.write(&$0) }
        #expect(try read(call) == theirs, "the fields, in whatever order")
    }

    @Test("a message that has not come whole is none yet, wherever it ends; the next one stays")
    func truncated() throws {
        for message in BusGolden.all {
            for count in 0..<message.count {
                var bytes = Array(message[..<count])
                #expect(try BusMessage.take(from: &bytes) == nil)
                #expect(bytes.count == count)
            }
            var bytes = message + BusGolden.hello + [1, 2, 3]
            #expect(try BusMessage.take(from: &bytes) == read(message))
            #expect(try BusMessage.take(from: &bytes)?.texts == [":1.0"])
            #expect(bytes == [1, 2, 3])
        }
    }

    @Test("no length of a message's own is believed", arguments: [4, 12])
    func hostileLengths(offset: Int) {
        for length: UInt32 in [.max, .max - 7, 1 << 31, 1 << 27, 65_537] {
            var message = BusGolden.hello
            withUnsafeBytes(of: length.littleEndian) { message.replaceSubrange(offset..<offset + 4, with: $0) }
            #expect(throws: BusMessage.Malformed.self) { _ = try read(message) }
        }
    }

    @Test("a length within that goes beyond its message is refused, at each place where there may be one")
    func hostileLengthsInside() throws {
        // Whatever byte is replaced, the message is read, refused or incomplete.
        for message in BusGolden.all {
            for index in message.indices {
                for byte: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                    var changed = message
                    changed[index] = byte
                    do throws(BusMessage.Malformed) {
                        let left = changed.count
                        let found = try BusMessage.take(from: &changed)
                        #expect(found == nil ? changed.count == left : changed.count < left)
                        _ = found?.texts
                    } catch {
                        continue
                    }
                }
            }
        }
        // The first field's text, and the sender's: beyond the fields.
        for index in [20, 40] {
            var message = BusGolden.nameAcquired
            message[index] = 0xFF
            #expect(throws: BusMessage.Malformed.self) { _ = try read(message) }
        }
    }

    @Test("another byte order, another version, and text that is none are refused")
    func refuses() {
        for (index, byte) in [(0, UInt8(ascii: "B")), (0, 0), (3, 2), (24, 0xFF)] {
            var message = BusGolden.nameAcquired
            message[index] = byte
            #expect(throws: BusMessage.Malformed.self) { _ = try read(message) }
        }
    }

    @Test("a message of exactly the longest size is read, and one byte more is refused before it has come")
    func bound() throws {
        func message(_ length: Int) -> [UInt8] {
            var bytes = BusMessage.call("M", of: "a.b", at: "/", to: "a.b", serial: 1)
            let body = length - bytes.count
            withUnsafeBytes(of: UInt32(body).littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
            return bytes + [UInt8](repeating: 0, count: body)
        }
        #expect(try read(message(BusMessage.longest))?.member == "M")
        #expect(throws: BusMessage.Malformed.self) { _ = try read(Array(message(BusMessage.longest + 1)[..<16])) }
    }

    /// A field of a message's head: its code, type and value, the value from the boundary on.
    private func field(_ code: UInt8, _ type: String, _ boundary: Int, _ value: [UInt8]) -> [UInt8] {
        let head = [code, UInt8(type.utf8.count)] + Array(type.utf8) + [0]
        return head + [UInt8](repeating: 0, count: -head.count & (boundary - 1)) + value
    }

    private static let values: [(type: String, boundary: Int, value: [UInt8])] = [
        ("y", 1, [1]), ("n", 2, [1, 2]), ("q", 2, [1, 2]), ("b", 4, [1, 0, 0, 0]), ("i", 4, [1, 2, 3, 4]),
        ("u", 4, [1, 2, 3, 4]), ("h", 4, [1, 2, 3, 4]), ("x", 8, [1, 2, 3, 4, 5, 6, 7, 8]),
        ("t", 8, [1, 2, 3, 4, 5, 6, 7, 8]), ("d", 8, [1, 2, 3, 4, 5, 6, 7, 8]), ("s", 4, [1, 0, 0, 0, 0x61, 0]),
        ("o", 4, [1, 0, 0, 0, 0x2F, 0]), ("g", 1, [1, 0x73, 0]), ("v", 1, [1, 0x75, 0, 0, 1, 2, 3, 4]),
        ("v", 1, [1, 0x76, 0, 1, 0x79, 0, 7]), ("v", 1, [2, 0x61, 0x79, 0, 1, 0, 0, 0, 7]),
        ("ay", 4, [2, 0, 0, 0, 7, 8]), ("at", 4, [8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("a(yaa{sv})", 4, [0, 0, 0, 0, 0, 0, 0, 0]), ("(yu)", 8, [7, 0, 0, 0, 1, 2, 3, 4]),
        (
            "(y(n)a{ys})", 8,
            [7, 0, 0, 0, 0, 0, 0, 0] + [1, 2, 0, 0, 10, 0, 0, 0] + [7, 0, 0, 0, 1, 0, 0, 0, 0x61, 0]
        ),
    ]

    @Test("a field that the specification does not have yet is ignored, whatever its type")
    func laterFields() throws {
        for (type, boundary, value) in Self.values {
            for code: UInt8 in [10, 77, 255] {
                let bytes = BusAnswer.answer(to: 3, .string("x"), field: field(code, type, boundary, value))
                let found = try read(bytes)
                #expect(found?.replySerial == 3 && found?.texts == ["x"] && found?.path == nil, "\(code) \(type)")
            }
        }
    }

    @Test("a field whose type is none, or whose value goes beyond the fields, is refused")
    func refusesFields() throws {
        var deep: [UInt8] = []
        for _ in 0..<70 { deep += [1, 0x76, 0] }
        deep += [1, 0x79, 0, 7]
        let none: [UInt8] = []
        let fields: [(String, Int, [UInt8])] = [
            ("", 1, [1]), ("z", 1, [1]), ("yy", 1, [1, 1]), ("a", 4, [0, 0, 0, 0]), ("(y", 8, [1]), (")", 1, none),
            ("a(y", 4, [0, 0, 0, 0]), ("ay", 4, [0xFF, 0xFF, 0xFF, 0xFF]), ("s", 4, [0xFF, 0, 0, 0]), ("v", 1, [0, 0]),
            ("v", 1, [2, 0x79, 0x79, 0, 1, 1]), ("v", 1, deep),
        ]
        for (type, boundary, value) in fields {
            #expect(throws: BusMessage.Malformed.self, "\(type)") {
                _ = try read(BusAnswer.answer(to: 3, .string("x"), field: field(77, type, boundary, value)))
            }
        }
    }

    @Test("a type of a later version is a signal that nobody waits for")
    func laterType() throws {
        var message = BusGolden.hello
        message[1] = 9
        #expect(try read(message)?.kind == .signal)
    }
}
