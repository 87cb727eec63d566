extension OpenFile {
    /// Returns the place where the last `count` lines of the file begin; the last of them may lack its newline. The end
    /// of the file for 0.
    ///
    /// Reads backwards as far as needed, on the calling thread, and nothing of holes: nobody has written a newline there.
    public func offset(ofLastLines count: Int) throws(UVError) -> Int {
        let size = Int(clamping: try status().size)
        return try LastLines.start(of: count, before: size, in: descriptor) { (offset, length) throws(UVError) in
            try read(from: offset, limit: length)
        }
    }

    /// Calls `body` with each line, without its newline, until it returns false. Reads pieces of 4 KiB: files of `/proc` and of
    /// control groups have no size, and some are long.
    package func forEachLine(_ body: (ArraySlice<UInt8>) -> Bool) throws(UVError) {
        var (rest, offset) = ([UInt8](), 0)
        while true {
            let bytes = try read(from: offset, limit: 4096)
            guard !bytes.isEmpty else { break }
            offset += bytes.count
            rest += bytes
            let lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for line in lines.dropLast() where !body(line) { return }
            rest = lines.last.map(Array.init) ?? []
        }
        if !rest.isEmpty { _ = body(rest[...]) }
    }
}

/// The search for the start of the last lines of a file, from its end.
enum LastLines {
    private static let chunk = 65536

    /// - Parameters:
    ///   - descriptor: the file's, to find its holes.
    ///   - read: returns `length` bytes from an offset; fewer if the file has shrunk.
    static func start(
        of count: Int, before end: Int, in descriptor: Int32,
        read: (_ offset: Int, _ length: Int) throws(UVError) -> [UInt8],
    ) throws(UVError) -> Int {
        guard count > 0 else { return end }
        var position = end
        var newlines = 0
        // The steps double across a hole, which may have exabytes, and halve again before its first byte.
        var step = chunk
        while position > 0 {
            let start = max(0, position - step)
            guard let data = try Descriptors.nextData(of: descriptor, from: start), data.lowerBound < position else {
                position = start
                step += min(step, position)
                continue
            }
            guard step <= chunk else {
                step /= 2
                continue
            }
            let bytes = try read(start, position - start)
            // A newline at the very end ends the last line, and begins none.
            for index in bytes.indices.reversed() where bytes[index] == 0x0A && start + index != end - 1 {
                newlines += 1
                if newlines == count { return start + index + 1 }
            }
            position = start
        }
        return 0
    }
}
