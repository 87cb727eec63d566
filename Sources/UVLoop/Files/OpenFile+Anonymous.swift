internal import CLibUV

extension OpenFile {
    /// Creates a file without a name that holds these bytes, open at its start, for handing to another program. The
    /// file is in memory where the system supports that. Mirrors `memfd_create(2)`.
    ///
    /// - Parameters:
    ///   - bytes: what is in it.
    ///   - directory: the place of the file if the system has no memory files; its name there is removed at once.
    public static func anonymous(holding bytes: [UInt8], in directory: String) throws(UVError) -> OpenFile {
        let file: OpenFile = if let memory = try inMemory() { memory } else { try inDirectory(directory) }
        try file.write(bytes)
        guard lseek(file.descriptor, 0, SEEK_SET) == 0 else { throw UVError(errno: uvloop_errno()) }
        return file
    }

    private static func inMemory() throws(UVError) -> OpenFile? {
        #if os(Linux)
        let descriptor = uvloop_memory_file("uvkeeper")
        if descriptor >= 0 { return try OpenFile(takingOwnershipOf: descriptor) }
        #endif
        return nil
    }

    private static func inDirectory(_ directory: String) throws(UVError) -> OpenFile {
        let path = "\(directory)/.\(UInt64.random(in: .min ... .max)).tmp"
        let file = try OpenFile(path, .createNew)
        try Files.unlink(path)
        return file
    }
}
