import UVLoop

/// The executables that this package's build put next to the tests.
public enum BuiltProducts {
    /// The keeper's executable; `UVKEEPER_SIDECAR` may name another.
    public static var sidecar: String {
        ProcessEnvironment.current["UVKEEPER_SIDECAR"] ?? executable("uvkeeper-sidecar")
    }

    /// True if the tests were built for a sanitizer, which has a build directory of its own (scripts/test).
    public static var areSanitized: Bool { directories.contains { $0.contains(".build-") } }
    /// True if that is ThreadSanitizer.
    public static var haveThreadSanitizer: Bool { directories.contains { $0.contains(".build-thread") } }

    /// The executable `name` in the directory of the test bundle.
    public static func executable(_ name: String) -> String {
        for directory in directories where Files.isExecutable("\(directory)/\(name)") { return "\(directory)/\(name)" }
        preconditionFailure("\(name) is not in \(directories): build it first, by `swift build --build-tests`")
    }

    /// The directory of the test bundle. `swift test` may run the bundle through a helper of the toolchain, which gets
    /// its path as an argument; otherwise the bundle is the program itself.
    private static let directories: [String] = {
        let named = CommandLine.arguments.compactMap { argument -> String? in
            guard let bundle = argument.firstRange(of: ".xctest") else { return nil }
            return Files.parent(of: String(argument[..<bundle.lowerBound]))
        }
        guard let program = try? CurrentProcess.executablePath(), let own = Files.parent(of: program) else {
            return named
        }
        return named + [own]
    }()
}
