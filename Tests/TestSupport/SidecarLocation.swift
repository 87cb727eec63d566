internal import UVLoop

/// Where the executables of this package are that were built together with the tests.
public enum SidecarLocation {
    /// The keeper.
    public static var sidecar: String { path("uvkeeper-sidecar") }
    /// The helper that plays a server; see `Tests/Helpers/keeper-host`.
    public static var host: String { path("keeper-host") }

    /// Beside the test bundle, which is the running program or, where a helper of the toolchain loads it, one of its
    /// arguments.
    private static func path(_ name: String) -> String {
        var places: [String] = []
        for candidate in bundles {
            var directory = Files.parent(of: candidate)
            while let place = directory, !places.contains(place) {
                if Files.isExecutable("\(place)/\(name)") { return "\(place)/\(name)" }
                places.append(place)
                // A bundle of macOS is a directory with the code some levels down.
                directory = candidate.contains(".xctest/") ? Files.parent(of: place) : nil
            }
        }
        preconditionFailure("\(name) is not beside the tests; looked in \(places)")
    }

    private static var bundles: [String] {
        var paths = CommandLine.arguments.filter { $0.contains(".xctest") }
        do throws(UVError) { paths.append(try LibUV.executablePath()) } catch { return paths }
        return paths
    }
}
