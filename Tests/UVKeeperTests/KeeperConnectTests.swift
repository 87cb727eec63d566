import TestSupport
import Testing
import UVKeeper

@Suite("A connect to a keeper") struct KeeperConnectTests {
    @Test(
        "root's lines are for no other user's process either",
        .enabled(if: World.isRoot, "only root can become another user"))
    func rootsLines() throws {
        try withWorld { world throws in
            try Posix.setPermissions(0o777, of: world.root)
            let path = world.path("theirs")
            let stranger = try HostProcess(["stranger", path], in: world)
            #expect(try stranger.lines(1) == ["listening"])
            #expect(try world.outcome("x", at: path) == .refused(.connection(path, .notPermitted)))
            #expect(try stranger.end().last == "got nothing")
        }
    }
}
