import TestSupport
import Testing
import UVKeeper

@Suite struct ManagerSmokeTests {
    @Test("a session from start to end") func wholeLife() throws {
        try withTemporaryDirectory { directory in
            let sessions = directory + "/.pi/dashboard/sessions"
            var options = KeeperManager.Options()
            options.sessionsDirectory = sessions
            options.sidecar = [".build/debug/uvkeeper-sidecar"]
            try withLoop { loop in
                let manager = try KeeperManager(on: loop, options: options)
                let start = LibUV.monotonicTime
                manager.spawnKeeper(
                    for: "s1", in: directory, command: ["sh", "-c", "cat > out"], readiness: .accepting
                ) { result in
                    print("spawned", LibUV.monotonicTime - start)
                    let keeper = try! result.get()
                    var outcomes: [WriteOutcome] = []
                    for i in 0..<1000 {
                        manager.writeRPC("line \(i)", to: "s1") { outcome in
                            outcomes.append(outcome)
                            if outcomes.count == 1000 {
                                #expect(outcomes.allSatisfy { $0 == .written })
                                print("written", LibUV.monotonicTime - start)
                                let other = try! KeeperManager(on: loop, options: options)
                                other.discoverExistingKeepers { result in
                                    let found = try! result.get()
                                    #expect(found.keepers.map(\.keeperPID) == [keeper.pid])
                                    print("discovered", LibUV.monotonicTime - start)
                                    #expect(other.killKeeper(for: "s1"))
                                    keeper.process.waitForNoCrash(window: .seconds(5)) { result in
                                        #expect(result == .ended(.exited(code: 0)))
                                        #expect(!other.isKeeperAlive(for: "s1"))
                                        #expect(!manager.killKeeper(for: "s1"))
                                        manager.close()
                                        other.close()
                                    }
                                }
                            }
                        }
                    }
                }
            }
            #expect(
                try Files.read(directory + "/out", limit: 100_000) == (0..<1000).flatMap { Array("line \($0)\n".utf8) })
            print(String(decoding: try Files.read(sessions + "/keeper-s1.log", limit: 10000), as: UTF8.self))
        }
    }
    @Test("failures are told") func failures() throws {
        try withTemporaryDirectory { directory in
            var options = KeeperManager.Options()
            options.sessionsDirectory = directory
            options.sidecar = [".build/debug/uvkeeper-sidecar"]
            try withLoop { loop in
                let manager = try KeeperManager(on: loop, options: options)
                manager.spawnKeeper(for: "s1", in: directory, command: ["false"], readiness: .settled) { result in
                    print(result)
                    manager.spawnKeeper(for: "s1", in: directory, command: ["/nonex"], readiness: .accepting) {
                        result in
                        if case .failure(let e) = result { print(e) }
                        manager.writeRPC("x", to: "nobody") {
                            print($0); manager.close()
                        }
                    }
                }
            }
        }
    }
}
