import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

/// One run of `uvkeeper-stress`: what it said, how it ended.
struct StressRun {
    /// In the environment of every process of a run, and of no other.
    private static let variable = "UVKEEPER_STRESS_TEST"

    /// One that a run has started, and the file of what its child receives.
    struct Keeper {
        let pid: Int32
        let receipts: String
    }

    /// A run while it goes on.
    struct Going {
        let loop: Loop
        fileprivate let mark: String
        let hasEnded: () -> Bool
        /// Tells it to end early, in order.
        let end: () throws(UVError) -> Void

        /// Sends a signal to each keeper whose child has received a line.
        ///
        /// - Returns: each that there was.
        func send(_ signal: Signal, toKeepersOf writers: Int) throws -> [Keeper] {
            var keepers: [Keeper] = []
            for child in ProcessFigures.processes(withEnvironmentContaining: mark) {
                guard let arguments = arguments(of: child, beginningWith: VerifyingChild.argument),
                    try Receipts(arguments[2], writers: writers)[.lines] > 0,
                    let keeper = ProcessDetails(of: child)?.parent,
                    self.arguments(of: keeper, beginningWith: KeeperConstants.hostArgument) != nil
                else { continue }
                do throws(UVError) {
                    try Processes.send(signal, to: keeper)
                    keepers.append(Keeper(pid: keeper, receipts: arguments[2]))
                } catch {
                    // It has just ended.
                    if error != .noProcess { throw error }
                }
            }
            return keepers
        }

        /// Sends a signal to the only keeper, when its child has received a line, and waits until that shows: the keeper is
        /// gone, or lines are sent to it that it does not read.
        func send(_ signal: Signal, toKeeperOf writers: Int) throws {
            var keepers: [Keeper] = []
            try TestSupport.run(loop) {
                keepers = try send(signal, toKeepersOf: writers)
                return keepers.count == 1
            }
            guard let keeper = keepers.first else { return }
            guard signal == .stop else {
                return try TestSupport.run(loop) { Processes.liveness(of: keeper.pid) == .gone }
            }
            let directory = try #require(Files.parent(of: keeper.receipts))
            let ledger = try Ledger("\(directory)/l0-0")
            let before = ledger.count
            // One may have been under way.
            try TestSupport.run(loop) { ledger.count > before + 1 }
        }

        private func arguments(of pid: Int32, beginningWith first: String) -> [String]? {
            ProcessDetails.arguments(of: pid).flatMap { $0.dropFirst().first == first ? $0 : nil }
        }
    }

    var code: Int32?
    var output = ""

    /// With bounds that only a hang exceeds, where none are given: the machine may be busy with other things.
    private static func patient(_ arguments: [String]) -> [String] {
        guard ["writes", "spawn", "restart", "chaos", "soak"].contains(arguments.first) else { return arguments }
        let bounds = ["--lag-bound": "60", "--drain-limit": "120"]
        return bounds.sorted { $0.key < $1.key }.reduce(arguments) { result, bound in
            result.contains(bound.key) ? result : result + [bound.key, bound.value]
        }
    }

    /// Runs it to its end; its progress is left out.
    ///
    /// - Parameter meanwhile: called when it has been started.
    init(_ arguments: String..., quiet: Bool = true, meanwhile: (Going) throws -> Void = { _ in }) throws {
        try self.init(arguments, quiet: quiet, meanwhile: meanwhile)
    }

    init(_ arguments: [String], quiet: Bool = true, meanwhile: (Going) throws -> Void = { _ in }) throws {
        let mark = "\(UInt64.random(in: .min ... .max))"
        var environment = ProcessEnvironment.current
        environment[StressRun.variable] = mark
        // A sanitizer looks for leaks with descriptors of its own, which some of the keepers may not open.
        if arguments.first == "chaos" { environment["ASAN_OPTIONS"] = "detect_leaks=0" }
        let configuration = ChildProcess.Configuration(
            executable: BuiltProducts.executable("uvkeeper-stress"),
            arguments: StressRun.patient(arguments) + (quiet ? ["--quiet"] : []),
            environment: environment, stdio: [.ignore, .pipe, .pipe])
        final class Collected {
            var code: Int32?
            var bytes: [UInt8] = []
        }
        let collected = Collected()
        // Longer than its own bounds, which say more of what it waits for.
        try withLoop(timeout: hangTimeout * 5) { loop in
            let child = try ChildProcess(configuration, on: loop) { _, status in
                if case .exited(let code) = status { collected.code = code }
            }
            child.killWhenCanceled()
            for stream in child.streams.compactMap({ $0 }) {
                try stream.readStart(
                    onBytes: { _, bytes in bytes.withUnsafeBytes { collected.bytes += $0 } },
                    onEnd: { stream, _ in stream.close() })
            }
            try meanwhile(
                Going(loop: loop, mark: "\(StressRun.variable)=\(mark)", hasEnded: { !child.isRunning }) {
                    () throws(UVError) in try child.kill(.terminate)
                })
        }
        code = collected.code
        output = String(decoding: collected.bytes, as: UTF8.self)
    }
}
