internal import CLibUV

extension OpenFile {
    /// A file without a name that holds these bytes, open at its start, to be handed to another program: in memory where the
    /// system has such a thing. Mirrors `memfd_create(2)`.
    ///
    /// - Parameters:
    ///   - bytes: what is in it.
    ///   - directory: where it is made, and loses its name at once, if the system has none.
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
