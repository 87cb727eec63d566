package import UVLoop

/// A cutter of received bytes into lines.
package final class LineReader {
    private var framer: LineFramer
    private var lines: [Line] = []
    private var first = 0
    package private(set) var hasEnded = false

    init(longest: Int) { framer = LineFramer(maximumLineLength: max(1, longest)) }

    /// The next line; nil if there is none yet.
    ///
    /// - Throws: ``/UVLoop/UVError/messageTooLong`` and ``/UVLoop/UVError/outOfMemory``, once the earlier lines were
    ///   taken.
    package func take() throws(UVError) -> Line? {
        guard first < lines.count else {
            lines.removeAll(keepingCapacity: lines.capacity <= 1024)
            first = 0
            switch framer.refusal {
            case .tooLong: throw .messageTooLong
            case .outOfMemory: throw .outOfMemory
            case nil: return nil
            }
        }
        defer { first += 1 }
        return lines[first]
    }

    /// The next line; nil at the end.
    ///
    /// - Parameter read: gives the next bytes; nil at the end.
    func next(
        isolation actor: isolated (any Actor)?, _ read: () async throws(UVError) -> [UInt8]?,
    ) async throws(UVError) -> Line? {
        while true {
            if let line = try take() { return line }
            guard !hasEnded else { return nil }
            append(try await read())
        }
    }

    /// Adds bytes.
    ///
    /// - Parameter bytes: the next bytes; nil at the end.
    package func append(_ bytes: [UInt8]?) {
        let add: (RawSpan) -> Void = { [self] in lines.append(Line(Array($0.extracting(droppingLast: 1)))) }
        guard let bytes else {
            hasEnded = true
            return framer.finish(emit: add)
        }
        // A refusal shows in `take`.
        _ = framer.appendByLine(bytes.span.bytes, emit: add)
    }
}
