import Testing
import UVLoop

/// Creates a script that can be executed.
///
/// The file is written by another process: a child that another test of this process forks at the same moment would
/// hold a copy of our descriptor until its exec, and executing a file that is open for writing fails with ETXTBSY.
public func writeExecutable(_ text: String, to path: String) throws {
    let result = try runProgram("/bin/sh", ["-c", #"printf %s "$1" >"$2" && chmod 755 "$2""#, "sh", text, path])
    try #require(result.status == .exited(code: 0), "\(result)")
}
