internal import CLibUV

/// The arguments that this program was started with.
public enum ProgramArguments {
    /// The program's name and its arguments, mapped by ``RawText``.
    ///
    /// `CommandLine.arguments` repairs text that is not UTF-8, and is empty on Linux without `/proc`: in a chroot, or a
    /// container's first process. The arguments are then read from the place where the kernel has put them, which works
    /// until the program first sets a variable of its environment. Empty if neither has them.
    public static let current: [String] = {
        if CommandLine.argc > 0 { return texts(CommandLine.unsafeArgv, Int(CommandLine.argc)) }
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = uvloop_initial_arguments(&arguments)
        return arguments.map { texts($0, Int(max(0, count))) } ?? []
    }()

    private static func texts(
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ count: Int
    ) -> [String] {
        (0..<count).compactMap { arguments[$0].map { RawText.string($0) } }
    }
}
