import TestSupport
import Testing
import UVLoop

@Suite("A signal watcher") struct SignalHandleTests {
    @Test("sees each signal, and another one after a new start") func sees() throws {
        try expectScenario("signals")
    }

    @Test("started once sees one, may be started in its callback, and for good afterwards") func once() throws {
        try expectScenario("signal-once")
    }

    @Test("refuses signals that cannot be caught") func uncatchable() throws {
        try withLoop { loop in
            let watcher = try SignalHandle(on: loop)
            for signal in [Signal.kill, .stop, Signal(rawValue: 0), Signal(rawValue: 1000)] {
                #expect(throws: UVError.invalidArgument) { try watcher.start(signal) { _, _ in } }
            }
            watcher.close()
        }
    }

    @Test("may be stopped after its close") func stopped() throws {
        try withLoop { loop in
            let watcher = try SignalHandle(on: loop)
            watcher.close()
            watcher.stop()
        }
    }
}
