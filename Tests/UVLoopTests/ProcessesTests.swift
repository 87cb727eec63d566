import Libc
import TestSupport
import Testing
import UVLoop

@Suite("Processes") struct ProcessesTests {
    @Test("are alive, or gone; a zombie is gone") func liveness() throws {
        #expect(Processes.liveness(of: CurrentProcess.id) == .alive)
        #expect(CurrentProcess.id == getpid())
        for pid: Int32 in [0, -1, .min, .max] { #expect(Processes.liveness(of: pid) == .gone) }
        try withLoop { loop in
            let child = try ChildProcess(.init(executable: "true"), on: loop) { _, _ in }
            // The child is not collected before the loop runs.
            let deadline = SystemClock.monotonicTime + hangTimeout
            while Processes.liveness(of: child.pid) == .alive, SystemClock.monotonicTime < deadline { usleep(500) }
            #expect(kill(child.pid, 0) == 0)
            #expect(Processes.liveness(of: child.pid) == .gone)
            #expect(ProcessDetails(of: child.pid)?.isZombie == true)
            #expect(ProcessDetails.arguments(of: child.pid) == [])
        }
    }

    @Test("belong to the user who has started them, whatever program they run") func owner() throws {
        #expect(Processes.userID(of: getpid()) == getuid())
        #expect(Processes.userID(of: 1) == 0)
        for pid: Int32 in [0, -1, .max] { #expect(Processes.userID(of: pid) == nil) }
    }

    @Test("are never signalled as everybody, ourselves as a group, or the system") func refusals() {
        for pid: Int32 in [1, 0, -1, -100, .min] {
            #expect(throws: UVError.invalidArgument) { try Processes.send(.continue, to: pid) }
            #expect(throws: UVError.invalidArgument) { try Processes.send(.continue, toGroup: pid) }
        }
        #expect(throws: UVError.noProcess) { try Processes.send(.continue, to: .max) }
        #expect(throws: UVError.noProcess) { try Processes.send(.continue, toGroup: .max) }
        #expect(throws: UVError.invalidArgument) { try Processes.send(Signal(rawValue: 1000), to: getpid()) }
    }
}
