import TestSupport
import Testing
import UVLoop

@Suite("Keeper: what comes in a bad moment") struct ShortageTests {
    @Test("A client that sent and closed goes before one that connected later, however slow the keeper accepts")
    func keepsOrderBehindSlowAccept() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let first = try KeeperClient(to: keeper.socket, on: home.loop)
            try home.until("it is connected") { first.isConnected }
            try home.untilAtRest(keeper)
            guard let strace = try Strace(keeper.pid, "accept4", "delay_enter=300000", on: home.loop) else { return }
            // It wakes the keeper, which is now about to accept.
            let waker = try KeeperClient(to: keeper.socket, on: home.loop)
            try home.until("it is connected") { waker.isConnected }
            try home.run(for: .milliseconds(50))
            first.write("first\n")
            try home.until("it is sent") { first.hasSentAll }
            first.close()
            let second = try KeeperClient(to: keeper.socket, on: home.loop)
            second.write("second\n")
            second.finish()
            try home.until("both arrive") { home.outputSize == 13 }
            #expect(home.text() == "first\nsecond\n")
            try strace.detach()
            waker.close()
        }
    }

    @Test("A client whose unfinished line was read and can be read no further is told by the end of its connection")
    func loseUnfinishedWithoutWatch() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try home.untilAtRest(keeper)
            // All of it is there when the client is accepted.
            try keeper.send(.stop)
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            client.write("whole\nunfinished")
            try home.until("it is sent") { client.hasSentAll }
            let strace = try Strace(keeper.pid, "epoll_ctl", "error=ENOSPC", on: home.loop)
            try keeper.send(.continue)
            guard let strace else { return client.close() }
            try home.until("the rest is lost") { keeper.log.contains("bytes of an unfinished line are lost") }
            try home.until("the client knows") { client.isEnded }
            try strace.detach()
            try home.send("next\n", to: keeper)
            try home.until("the next line arrives") { home.text() == "whole\nnext\n" }
        }
    }

    @Test("A line that waits for the child's pipe waits for a watch as well, and arrives whole")
    func waitsForWatch() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            let client = try KeeperClient(to: keeper.socket, on: home.loop)
            try home.until("it is connected") { client.isConnected }
            try home.untilAtRest(keeper)
            guard let strace = try Strace(keeper.pid, "epoll_ctl", "error=ENOSPC", on: home.loop) else { return }
            let line = String(repeating: "w", count: 100_000) + "\n"
            client.write(line)
            client.finish()
            try home.until("it is sent") { client.hasSentAll }
            try home.run(for: .milliseconds(100))
            try strace.detach()
            try home.thawChild(of: keeper)
            try home.until("it arrives") { home.outputSize == line.utf8.count }
            try home.send("later\n", to: keeper)
            try home.until("the next one does") { home.text() == line + "later\n" }
            #expect(!keeper.log.contains("does not read its stdin"))
        }
    }

    @Test("Clients that wait when the socket is made anew come along")
    func acceptsBeforeNewSocket() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            try home.untilAtRest(keeper)
            try keeper.send(.stop)
            // First of what the keeper finds when it goes on.
            try keeper.send(.user1)
            let clients = try (0..<40).map { number in
                let client = try KeeperClient(to: keeper.socket, on: home.loop)
                client.write("\(number)\n")
                client.finish()
                return client
            }
            try home.until("all have sent") { clients.allSatisfy { $0.hasSentAll } }
            try Files.unlinkIfPresent(keeper.socket)
            try keeper.send(.continue)
            try home.until("all are read") { clients.allSatisfy { $0.isEnded } }
            #expect(clients.allSatisfy { $0.error == nil })
            try home.until("all arrive") { home.bytes()?.count { $0 == 0x0A } == 40 }
            try home.until("there is a new socket") { keeper.listens }
        }
    }
}
