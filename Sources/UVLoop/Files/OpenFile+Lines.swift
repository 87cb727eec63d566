extension OpenFile {
    /// Returns the place where the last `count` lines of the file begin; the last of them may lack its newline. The end
    /// of the file for 0.
    ///
    /// Reads backwards as far as needed, on the calling thread.
    public func offset(ofLastLines count: Int) throws(UVError) -> Int {
        let size = Int(clamping: try status().size)
        return try LastLines.start(of: count, before: size) { (offset, length) throws(UVError) in
            try read(from: offset, limit: length)
        }
    }
}

/// The search for the start of the last lines of a file, from its end.
enum LastLines {
    private static let chunk = 65536

    /// - Parameter read: returns `length` bytes from an offset; fewer if the file has shrunk.
    static func start(
        of count: Int, before end: Int, read: (_ offset: Int, _ length: Int) throws(UVError) -> [UInt8]
    ) throws(UVError) -> Int {
        guard count > 0 else { return end }
        var position = end
        var newlines = 0
        while position > 0 {
            let length = min(chunk, position)
            position -= length
            let bytes = try read(position, length)
            // A newline at the very end ends the last line, and begins none.
            for index in bytes.indices.reversed() where bytes[index] == 0x0A && position + index != end - 1 {
                newlines += 1
                if newlines == count { return position + index + 1 }
            }
        }
        return 0
    }
}
