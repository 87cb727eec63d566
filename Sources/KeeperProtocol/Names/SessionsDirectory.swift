/// The location of the sessions directory, unless a setting says otherwise.
public enum SessionsDirectory {
    /// `<base>/.pi/dashboard/sessions`, where base is `PI_DASHBOARD_HOME` or, if that is unset or blank, `home`.
    ///
    /// White space around `PI_DASHBOARD_HOME` is dropped, as by JavaScript's `trim()`: the original does so, and both
    /// programs must come to the same directory. A relative `PI_DASHBOARD_HOME` is taken as it is, again like the
    /// original; a server that sets one must start its keepers in its own working directory, or make the path absolute
    /// first.
    ///
    /// Nil if the variable is unset or blank and `home` is not an absolute path (`HOME` empty or missing, for example):
    /// a directory that depends on where a program was started would not be found again. Nil, too, if the base begins
    /// with `~`, which a shell should have replaced: see `unexpanded(environment:home:)`. The path is not normalised
    /// beyond separators at the end of the base, and nothing is created.
    public static func path(
        environment: [String: String],
        home: String,
        platform: KeeperPlatform = .current
    ) -> String? {
        let chosen = environment[KeeperVariable.dashboardHome].map(trimmed) ?? ""
        let base = chosen.isEmpty ? home : chosen
        guard !chosen.isEmpty || platform.isAbsolute(home), !isUnexpanded(base) else { return nil }
        return components.reduce(platform.removingTrailingSeparators(base)) {
            platform.join($0, $1)
        }
    }

    /// The directories below the base.
    package static let components = [".pi", "dashboard", "sessions"]

    /// True if a path begins with `~`: a directory of that name would be made in the working directory, and the user
    /// might then try `rm -r ~`. A directory that really has such a name can be given as `./~`.
    package static func isUnexpanded(_ path: String) -> Bool { path.utf8.first == UInt8(ascii: "~") }

    /// The reason why ``path(environment:home:platform:)`` is nil, if it is a `~` that no shell has replaced.
    package static func unexpanded(environment: [String: String], home: String) -> String? {
        let chosen = environment[KeeperVariable.dashboardHome].map(trimmed) ?? ""
        let (name, base) = chosen.isEmpty ? ("HOME", home) : (KeeperVariable.dashboardHome, chosen)
        return isUnexpanded(base) ? unexpanded(base, in: name) : nil
    }

    /// The sentence about such a path.
    package static func unexpanded(_ path: String, in name: String) -> String {
        "\(name) is \(path), and \(unexpandedAdvice)"
    }

    /// The part of that sentence for an error that names the path.
    package static let unexpandedAdvice = "nothing has replaced the ~ by a home directory; write the whole path"

    /// The sentence about a directory that other users can change, and how they can.
    package static func notPrivate(_ path: String, _ exposure: String) -> String {
        "\(path) is not private: \(exposure); change that, or use another"
    }

    private static func trimmed(_ text: String) -> String {
        var scalars = Substring(text).unicodeScalars
        while let first = scalars.first, isWhiteSpace(first) { scalars.removeFirst() }
        while let last = scalars.last, isWhiteSpace(last) { scalars.removeLast() }
        return String(scalars)
    }

    /// True for white space as ECMAScript defines it: Unicode's set, without U+0085, and with the byte order mark.
    private static func isWhiteSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\u{FEFF}" || (scalar.properties.isWhitespace && scalar != "\u{85}")
    }
}
