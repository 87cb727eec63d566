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
            session: "work", epoch: "0123456789abcdef", pid: 4711, slice: "system.slice", limits: limits)
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

    @Test("a type of a later version is a signal that nobody waits for")
    func laterType() throws {
        var message = BusGolden.hello
        message[1] = 9
        #expect(try read(message)?.kind == .signal)
    }
}
