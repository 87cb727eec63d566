import KeeperProtocol
import UVLoop

/// The two framers: they find the same in the same bytes, whatever the pieces.
enum FramerTargets {
    /// The first byte is the longest line, the second a seed for the pieces, and the rest is what they come from.
    static func lines(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 2 else { return }
        let limit = Int(bytes[0]) + 1
        let content = UnsafeRawBufferPointer(rebasing: bytes[2...])
        var naive = NaiveLineFramer(maximumLineLength: limit)
        let isRight = naive.append(Array(content))
        if isRight { naive.finish() }

        for pieces in [[content], cut(content, seed: bytes[1])] {
            for isByLine in [false, true] {
                var framer = LineFramer(maximumLineLength: limit)
                var output: [UInt8] = []
                func emit(_ run: RawSpan) {
                    run.withUnsafeBytes { run in
                        require(run.last == NewlineScan.newline, "a run does not end in a newline")
                        require(!isByLine || NewlineScan.count(in: run) == 1, "a line is not one")
                        output += run
                    }
                }
                var isFine = true
                for piece in pieces {
                    isFine =
                        isByLine ? framer.appendByLine(piece.bytes, emit: emit) : framer.append(piece.bytes, emit: emit)
                    require(framer.pendingByteCount < limit, "\(framer.pendingByteCount) bytes wait for their newline")
                    if !isFine { break }
                }
                require(isFine == isRight, "the lines are fine in one framer only")
                if isFine { framer.finish(emit: emit) }
                require(output == naive.output, "the lines are not the same")
            }
        }
    }

    private enum Found: Equatable {
        case header([UInt8])
        case tooLong
    }

    /// The first byte is the longest header, the second a seed for the pieces, and the rest is what they come from.
    static func headers(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 2 else { return }
        let limit = Int(bytes[0]) + 1
        let content = UnsafeRawBufferPointer(rebasing: bytes[2...])
        var expected: [Found] = []
        var header: [UInt8] = []
        for byte in content {
            if byte == NewlineScan.newline {
                expected.append(.header(header))
                header = []
            } else {
                header.append(byte)
                guard header.count < limit else {
                    expected.append(.tooLong)
                    break
                }
            }
        }
        require(headers([content], limit) == expected, "the headers of one piece are others")
        require(headers(cut(content, seed: bytes[1]), limit) == expected, "the headers of many pieces are others")
    }

    private static func headers(_ pieces: [UnsafeRawBufferPointer], _ limit: Int) -> [Found] {
        var framer = HeaderFramer(limit: limit)
        var found: [Found] = []
        for piece in pieces {
            var position = 0
            while position < piece.count {
                switch framer.find(in: piece, from: &position) {
                case .here(let range): found.append(.header(Array(piece[range])))
                case .pending: found.append(.header(framer.takePending { Array($0) }))
                case .none: require(position == piece.count, "bytes were left that have no newline")
                case .tooLong: return found + [.tooLong]
                }
                require(framer.pendingByteCount < limit, "\(framer.pendingByteCount) bytes wait for their newline")
            }
        }
        return found
    }

    /// Pieces of one to 64 bytes, mostly short ones.
    static func cut(_ bytes: UnsafeRawBufferPointer, seed: UInt8) -> [UnsafeRawBufferPointer] {
        var generator = SeededGenerator(seed: UInt64(seed))
        var pieces: [UnsafeRawBufferPointer] = []
        var start = 0
        while start < bytes.count {
            let random = generator.next()
            let end = min(bytes.count, start + 1 + Int(random >> 8 & (1 << (random & 7) - 1)))
            pieces.append(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            start = end
        }
        return pieces
    }
}
