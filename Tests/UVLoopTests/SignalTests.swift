import Testing
import UVLoop

@Suite("A signal") struct SignalTests {
    @Test("is called as in Node") func names() {
        #expect("\(Signal.terminate)" == "SIGTERM")
        #expect("\(Signal.hangUp)" == "SIGHUP")
        #expect("\(Signal(rawValue: 11))" == "SIGSEGV")
        #expect("\(Signal(rawValue: 34))" == "SIG34")
    }

    @Test("appears in an exit status") func exitStatus() {
        #expect("\(ProcessExit.signaled(.kill))" == "ended by SIGKILL")
        #expect("\(ProcessExit.exited(code: 3))" == "exited with code 3")
        #expect("\(ProcessExit.unknown)".contains("collected"))
    }
}
