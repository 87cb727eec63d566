import UVLoop

/// Runs `body` with a fresh directory with a short path, and removes the directory with everything in it.
public func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = try makeTemporaryDirectory()
    defer { removeTree(path) }
    return try body(path)
}

/// Creates a fresh directory with a short path; the caller removes it with ``removeTree(_:)``.
public func makeTemporaryDirectory() throws -> String {
    let path = "/tmp/uvk-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    try Files.makeDirectory(at: path)
    return path
}
