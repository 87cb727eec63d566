import Libc

/// Makes the kernel refuse a system call from now on, in this process: how a sandbox does it.
enum SystemCallFilter {
    #if arch(x86_64)
    static let epollControl: UInt32 = 233
    static let extendedStatus: UInt32 = 332
    static let addFileWatch: UInt32 = 254
    static let openEventQueue: UInt32 = 294
    #else
    static let epollControl: UInt32 = 21
    static let extendedStatus: UInt32 = 291
    static let addFileWatch: UInt32 = 27
    static let openEventQueue: UInt32 = 26
    #endif
    static let signalByDescriptor: UInt32 = 424
    static let openProcess: UInt32 = 434

    private struct Instruction {
        var code: UInt16
        var jumpIfTrue: UInt8 = 0
        var jumpIfFalse: UInt8 = 0
        var value: UInt32
    }

    private struct Program {
        var count: UInt16
        var instructions: UnsafePointer<Instruction>
    }

    /// Refuses `call` with `error`, or only those with this second argument.
    ///
    /// - Returns: false where the system does not let a process have a filter.
    static func refuse(_ call: UInt32, withSecondArgument argument: UInt32? = nil, error: CInt) -> Bool {
        let refusal = Instruction(code: 0x06, value: 0x0005_0000 | UInt32(error))
        let loadNumber = Instruction(code: 0x20, value: 0)
        var program = [loadNumber]
        if let argument {
            program += [
                Instruction(code: 0x15, jumpIfFalse: 3, value: call),
                Instruction(code: 0x20, value: 24),
                Instruction(code: 0x15, jumpIfFalse: 1, value: argument),
                refusal,
            ]
        } else {
            program += [Instruction(code: 0x15, jumpIfFalse: 1, value: call), refusal]
        }
        program.append(Instruction(code: 0x06, value: 0x7fff_0000))
        // Variadic, which Swift does not import.
        typealias Control = @convention(c) (CInt, UInt, UInt, UInt, UInt) -> CInt
        guard let address = dlsym(nil, "prctl") else { return false }
        let control = unsafeBitCast(address, to: Control.self)
        return program.withUnsafeBufferPointer { instructions in
            var filter = Program(count: UInt16(instructions.count), instructions: instructions.baseAddress!)
            return withUnsafePointer(to: &filter) { filter in
                // PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
                control(38, 1, 0, 0, 0) == 0 && control(22, 2, UInt(bitPattern: filter), 0, 0) == 0
            }
        }
    }
}
