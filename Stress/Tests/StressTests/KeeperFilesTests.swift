import TestSupport
import Testing
import UVKeeper

@testable import uvkeeper_stress

@Suite struct KeeperFilesTests {
    @Test("a live keeper has its sockets and both numbers; each that is missing or another's is told") func lost()
        throws
    {
        try withFiles { paths, session in
            let own = CurrentProcess.id
            let lost = { KeeperFiles.lost(of: session, keeper: own, child: 7, in: paths) }
            #expect(lost().count == 2, "\(lost())")
            try Posix.write("\(own)", to: paths.keeperPID(for: session))
            try Posix.write("7", to: paths.childPID(for: session))
            #expect(lost() == [])
            try Posix.write("8", to: paths.childPID(for: session))
            #expect(lost() == ["\(paths.childPID(for: session)): '8' instead of 7"])
            try Files.unlink(paths.socket(for: session))
            #expect(lost().count == 2 && lost()[0].hasSuffix(": missing"), "\(lost())")
        }
    }

    @Test("an ended keeper has left what is there") func left() throws {
        try withFiles { paths, session in
            try Posix.write("", to: paths.childPID(for: session))
            let left = [paths.socket(for: session), paths.channel(for: session), paths.childPID(for: session)]
            #expect(KeeperFiles.left(of: session, in: paths) == left)
            for path in left { try Files.unlink(path) }
            #expect(KeeperFiles.left(of: session, in: paths) == [])
        }
    }

    private func withFiles(_ body: (KeeperPaths, SessionID) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try withLoop { loop in
                let (paths, session) = (KeeperPaths(directory: directory), SessionID("s0"))
                let listeners = try [paths.socket(for: session), paths.channel(for: session)].map {
                    try PipeListener(bindingTo: $0, on: loop)
                }
                for listener in listeners {
                    try listener.listen { _, accepted in
                        if case .success(let stream) = accepted { stream.close() }
                    }
                }
                try body(paths, session)
                for listener in listeners { listener.close() }
            }
        }
    }
}
