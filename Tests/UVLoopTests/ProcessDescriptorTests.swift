import TestSupport
import Testing
import UVLoop

@Suite("A hold on a process") struct ProcessDescriptorTests {
    @Test("is none on nobody") func nobody() {
        #expect(throws: UVError.noProcess) { _ = try ProcessDescriptor(of: .max) }
        for pid: Int32 in [0, -1, .min] {
            #expect(throws: UVError.invalidArgument) { _ = try ProcessDescriptor(of: pid) }
        }
    }

    @Test("sends signals, with a value or without, until the process has ended") func signals() throws {
        for value in [nil, 42] as [UInt64?] {
            try withLoop { loop in
                var exit: ProcessExit?
                let child = try ChildProcess(.init(executable: "sleep", arguments: ["1000"]), on: loop) { exit = $1 }
                let hold = try ProcessDescriptor(of: child.pid)
                #expect(!hold.hasEnded)
                try hold.send(.terminate, value: value)
                while !hold.hasEnded {}
                #expect(throws: UVError.noProcess) { try hold.send(.terminate, value: value) }
                loop.run()
                #expect(exit == .signaled(.terminate))
                #expect(hold.hasEnded)
                #expect(throws: UVError.noProcess) { try hold.send(.kill) }
                #expect(throws: UVError.noProcess) { try hold.sendToGroup(.kill) }
            }
        }
    }

    @Test("sends a signal to the group that the process leads, and to no other") func group() throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let script = "sleep 1000 & echo $! >\(directory)/.pid; mv \(directory)/.pid \(directory)/pid; wait"
                let leader = try ChildProcess(
                    .init(executable: "sh", arguments: ["-c", script], flags: .detached), on: loop
                ) { _, _ in }
                var member: Int32?
                while member == nil {
                    let text = (try? Files.read("\(directory)/pid", limit: 20)).map {
                        String(decoding: $0, as: UTF8.self)
                    }
                    member = text.flatMap { Int32($0.dropLast()) }
                }
                let hold = try ProcessDescriptor(of: leader.pid)
                let memberHold = try ProcessDescriptor(of: #require(member))
                #expect(hold.leadsGroup && !memberHold.leadsGroup)
                #expect(throws: UVError.noProcess) { try memberHold.sendToGroup(.kill) }
                #expect(!memberHold.hasEnded)
                try hold.sendToGroup(.kill)
                loop.run()
                while !memberHold.hasEnded {}
                #expect(leader.exitStatus == .signaled(.kill))
            }
        }
    }
}
