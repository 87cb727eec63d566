import KeeperProtocol

/// What is read in the sessions directory: a session's record, the names of segments, and the numbers in pid files.
enum FileTargets {
    /// A file is no record, or one whose own file is read as the same record.
    static func record(_ bytes: UnsafeRawBufferPointer) {
        guard let record = SessionRecord(Array(bytes)) else { return }
        let again = SessionRecord(record.fileBytes)
        require(again == record, "\(record) is read as \(String(describing: again))")
        // The shell's status is made of a name of a signal that anybody may have written.
        require(record.exit?.shellStatus == again?.exit?.shellStatus, "two statuses for one end")
    }

    /// A name is none of a segment, or exactly the name of the segment that is read from it.
    static func segment(_ bytes: UnsafeRawBufferPointer) {
        let name = String(decoding: bytes, as: UTF8.self)
        guard let segment = SegmentName(name) else { return }
        require(segment.text.utf8.elementsEqual(bytes), "\(name) is read as \(segment.text)")
        require(segment == SegmentName(segment.text), "\(name) is read as two segments")
    }

    /// The number is the one that the standard library reads, in nothing but digits and white space around them.
    static func pidFile(_ bytes: UnsafeRawBufferPointer) {
        let digits = bytes.split(whereSeparator: { $0 <= UInt8(ascii: " ") })
        var expected: Int32?
        if digits.count == 1, digits[0].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            expected = Int32(String(decoding: digits[0], as: UTF8.self)).flatMap { $0 > 0 ? $0 : nil }
        }
        require(PIDFile.pid(from: bytes) == expected, "\(Array(bytes)) is not \(String(describing: expected))")
    }
}
