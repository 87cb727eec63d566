internal import KeeperProtocol
internal import UVLoop

/// Reads the bytes of a command from a file or a pipe, to its end.
///
/// A pipe may have no writer, or a silent one: the signals that end a keeper end this wait too. On Linux these signals
/// are blocked by now, and looked for here; elsewhere they still have their default action.
enum CommandReader {
    /// - Parameter path: the path of a file or named pipe; ``CommandFile/standardInput`` for descriptor 0, which is
    ///   `/dev/null` from then on.
    /// - Throws: ``UVError/interrupted`` if a signal has ended the wait; ``UVError/argumentsTooLong`` beyond
    ///   ``CommandFile/maximumLength``, and the errors of reading.
    static func read(_ path: String) throws(UVError) -> [UInt8] {
        guard path == CommandFile.standardInput else {
            #if os(Linux)
            let file = try Descriptors.open(path, waitsForWriter: false)
            #else
            let file = try Descriptors.open(path)
            #endif
            return try file.whileOpen(readAll)
        }
        let bytes = try readAll(0)
        try StandardStreams.openNull(as: 0)
        return bytes
    }

    private static func readAll(_ descriptor: Int32) throws(UVError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            #if os(Linux)
            try SignalQueue.wait(toRead: descriptor, unless: Keeper.endingSignals)
            #endif
            let more = try Descriptors.read(from: descriptor)
            guard !more.isEmpty else { return bytes }
            bytes += more
            guard bytes.count <= CommandFile.maximumLength else { throw .argumentsTooLong }
        }
    }
}
