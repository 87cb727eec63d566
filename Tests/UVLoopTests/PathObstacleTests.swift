import TestSupport
import Testing
import UVLoop

@Suite("PathObstacle") struct PathObstacleTests {
    @Test("is none where everything is permitted, or the reason is another") func none() throws {
        try withTemporaryDirectory { directory in
            #expect(PathObstacle(directory) == nil)
            #expect(PathObstacle(directory + "/a/b") == nil)
            #expect(PathObstacle("") == nil && PathObstacle("/") == PathObstacle("//"))
            try Posix.write("", to: directory + "/file")
            #expect(PathObstacle(directory + "/file/below") == nil)
            #expect(UVError.noSpace.description(at: directory) == UVError.noSpace.description)
            #expect(UVError.accessDenied.description(at: directory) == UVError.accessDenied.description)
        }
    }

    @Test("is the first component without permission, with its mode, and with its owner if that is another")
    func found() throws {
        try withTemporaryDirectory { directory in try expectScenario("path-obstacles", directory) }
    }
}
