import UVKeeper

/// The lines of standard input. Only whole lines are given out: if the command were interrupted after part of a line,
/// the child would take the part for a line.
final class LineInput {
    enum Part {
        /// The lines, each with its newline; `isTooLong` if the line after them is too long.
        case lines([[UInt8]], isTooLong: Bool)
        case end
        case failed(UVError)
    }

    private static let chunk = 131_072

    let maximumLineLength: Int
    private let loop: Loop
    /// The beginning of a line whose end has not been read.
    private var tail: [UInt8] = []
    /// True while a thread reads, which cannot be interrupted.
    private(set) var isReading = false

    init(maximumLineLength: Int, on loop: Loop) {
        self.maximumLineLength = maximumLineLength
        self.loop = loop
    }

    var hasNoTail: Bool { tail.isEmpty }

    /// The last line of the input, if it has no newline.
    func takeTail() -> [UInt8]? {
        guard !tail.isEmpty else { return nil }
        defer { tail = [] }
        return tail
    }

    /// Reads the next input, on a thread: stdin may be a file or a terminal, which a loop cannot watch.
    func read(_ completion: @escaping (Part) -> Void) {
        isReading = true
        let received = { [self] (result: Result<[UInt8], UVError>) in
            isReading = false
            completion(part(of: result))
        }
        do throws(UVError) {
            try loop.queueWork { () -> Result<[UInt8], UVError> in
                do throws(UVError) {
                    return .success(try Descriptors.read(from: 0, limit: LineInput.chunk))
                } catch {
                    return .failure(error)
                }
            } completion: {
                received($0)
            }
        } catch {
            let error = error
            loop.onNextTick { received(.failure(error)) }
        }
    }

    private func part(of result: Result<[UInt8], UVError>) -> Part {
        switch result {
        case .failure(let error): .failed(error)
        case .success(let chunk): chunk.isEmpty ? .end : cut(chunk)
        }
    }

    /// The part for a line given whole.
    func lines(of given: [UInt8]) -> Part {
        let end = given.last == UInt8(ascii: "\n") ? 0 : 1
        let fits = given.count + end <= maximumLineLength
        return .lines(fits ? [given] : [], isTooLong: !fits)
    }

    private func cut(_ chunk: [UInt8]) -> Part {
        var lines: [[UInt8]] = []
        var start = 0
        var isTooLong = false
        while let newline = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard tail.count + newline + 1 - start <= maximumLineLength else {
                isTooLong = true
                break
            }
            lines.append(tail + chunk[start...newline])
            tail = []
            start = newline + 1
        }
        if !isTooLong {
            tail += chunk[start...]
            // The line is one byte longer with its newline.
            isTooLong = tail.count >= maximumLineLength
        }
        if isTooLong { tail = [] }
        return .lines(lines, isTooLong: isTooLong)
    }
}
