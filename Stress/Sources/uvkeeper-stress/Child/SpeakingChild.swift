#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The output of a child, written while it waits for its input: a fixed number of bytes for each line, and as much as
/// the pipes take while ``Receipts`` tell it to flood. The numbers of bytes are noted there.
final class SpeakingChild {
    private struct Speech {
        let descriptor: Int32
        let format: OutputFormat
        let written: Receipts.Counter
        let offered: Receipts.Counter
        /// The number of bytes for each line that has come.
        let answerByteCount: Int
        /// The number of bytes still to be written.
        var owed = 0
        /// True once the pipe is broken.
        var isBroken = false
    }

    /// The time between checks of the order to flood, in milliseconds.
    private static let lookInterval: Int32 = 20
    private static let bufferByteCount = 65536
    /// The number of bytes written when the input has ended.
    private static let farewellByteCount = 1000

    private let receipts: Receipts
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: bufferByteCount, alignment: 16)
    private var speeches: [Speech]
    private var answered: UInt64 = 0

    init(_ receipts: Receipts) {
        self.receipts = receipts
        let key = receipts[.outputKey]
        speeches = [
            Speech(
                descriptor: 1, format: OutputFormat(key: key, stream: 0), written: .writtenOut, offered: .offeredOut,
                answerByteCount: 201),
            Speech(
                descriptor: 2, format: OutputFormat(key: key, stream: 1), written: .writtenErr, offered: .offeredErr,
                answerByteCount: 13),
        ]
        // SIGPIPE is ignored: a killed keeper takes the pipes along, and the child still reads its input to the end.
        signal(SIGPIPE, SIG_IGN)
        for speech in speeches { _ = fcntl(speech.descriptor, F_SETFL, O_NONBLOCK) }
    }

    deinit { buffer.deallocate() }

    /// Reads the standard input like `read(2)`, and writes meanwhile; writes the farewell before it returns the end.
    func read(_ base: UnsafeMutableRawPointer, _ count: Int) -> Int {
        answer()
        while true {
            let isReadable = wait(forInput: true, flooding: receipts[.flood])
            guard isReadable else { continue }
            #if canImport(Darwin)
            let result = Darwin.read(0, base, count)
            #elseif canImport(Musl)
            let result = Musl.read(0, base, count)
            #else
            let result = Glibc.read(0, base, count)
            #endif
            if result == 0 { sayFarewell() }
            return result
        }
    }

    private func answer() {
        let lines = receipts[.lines]
        for index in speeches.indices {
            speeches[index].owed += Int(lines - answered) * speeches[index].answerByteCount
        }
        answered = lines
    }

    private func sayFarewell() {
        for index in speeches.indices { speeches[index].owed += SpeakingChild.farewellByteCount }
        while speeches.contains(where: { $0.owed > 0 && !$0.isBroken }) { _ = wait(forInput: false, flooding: 0) }
    }

    /// Waits until there is input or a pipe has room, and writes to those that have.
    ///
    /// - Returns: true if there is input, or its end.
    private func wait(forInput: Bool, flooding: UInt64) -> Bool {
        func isWanted(_ index: Int) -> Bool {
            (speeches[index].owed > 0 || flooding & (1 << UInt64(index)) != 0) && !speeches[index].isBroken
        }
        // A descriptor below 0 is ignored by `poll`.
        var entries = (
            pollfd(fd: forInput ? 0 : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isWanted(0) ? speeches[0].descriptor : -1, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: isWanted(1) ? speeches[1].descriptor : -1, events: Int16(POLLOUT), revents: 0)
        )
        let count = withUnsafeMutablePointer(to: &entries) { entries in
            entries.withMemoryRebound(to: pollfd.self, capacity: 3) { poll($0, 3, SpeakingChild.lookInterval) }
        }
        guard count > 0 else { return false }
        if entries.1.revents != 0 { write(0, isFlooding: flooding & 1 != 0) }
        if entries.2.revents != 0 { write(1, isFlooding: flooding & 2 != 0) }
        return entries.0.revents != 0
    }

    private func write(_ index: Int, isFlooding: Bool) {
        let speech = speeches[index]
        let wanted = isFlooding ? SpeakingChild.bufferByteCount : min(speech.owed, SpeakingChild.bufferByteCount)
        let offset = receipts[speech.written]
        speech.format.fill(buffer, count: wanted, from: offset)
        // The child may be killed at any instant; the number of bytes in the pipe is then between the two counters.
        receipts[speech.offered] = offset + UInt64(wanted)
        #if canImport(Darwin)
        let count = Darwin.write(speech.descriptor, buffer, wanted)
        #elseif canImport(Musl)
        let count = Musl.write(speech.descriptor, buffer, wanted)
        #else
        let count = Glibc.write(speech.descriptor, buffer, wanted)
        #endif
        if count > 0 {
            receipts[speech.written] = offset + UInt64(count)
            speeches[index].owed = max(0, speech.owed - count)
        } else if count < 0, errno != EAGAIN, errno != EINTR {
            speeches[index].isBroken = true
        }
        receipts[speech.offered] = receipts[speech.written]
    }
}
