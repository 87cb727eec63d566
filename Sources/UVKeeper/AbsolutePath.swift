internal import UVLoop

/// A path that means the same in every working directory; keepers start in another one than their server's.
enum AbsolutePath {
    /// `path` seen from this program's working directory.
    static func of(_ path: String) throws(UVError) -> String {
        guard !path.hasPrefix("/") else { return path }
        let here = try LibUV.currentDirectory()
        return here == "/" ? "/\(path)" : "\(here)/\(path)"
    }
}
