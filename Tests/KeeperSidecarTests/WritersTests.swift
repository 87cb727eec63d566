import KeeperProtocol
import TestSupport
import Testing
import UVLoop

@testable import KeeperSidecar

@Suite("Channel: writers") struct WritersTests {
    private func answer(_ client: ChannelConnection, _ text: String) throws -> ChannelMessage {
        client.send("writer \(text)\n")
        return try client.next()
    }

    @Test("A newer connection of a name takes over: the older loses what was not taken, and is told why")
    func takesOver() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady(child: "kill -STOP $$; exec cat >>$HOME/out")
            let name = WriterName("w")!
            let old = try home.channel(of: keeper)
            #expect(try answer(old, "w") == .writer(name, last: 0, acknowledged: 0))
            old.write(1, "one")
            old.write(2, String(repeating: "x", count: 100_000))
            old.send("write 3 1000\nhalf")
            // It has been read when the next one is answered.
            try home.untilAtRest(keeper)
            let new = try home.channel(of: keeper)
            #expect(try answer(new, "w {\"last\":3}") == .writer(name, last: 2, acknowledged: 1))
            let last = try old.rest()
            #expect(last.first == .acknowledged(1) && last.count == 2)
            guard case .error(let error)? = last.last else { return #expect(Bool(false), "\(last)") }
            #expect(error.code == .writerReplaced)
            new.write(2, "again")
            new.write(3, "three")
            try home.thawChild(of: keeper)
            // Also of a line that came over the older one.
            #expect(try new.acknowledges(3))
            try home.until("all arrive") { home.outputSize >= 100_011 }
            #expect(home.text() == "one\n\(String(repeating: "x", count: 100_000))\nthree\n")
        }
    }

    @Test(
        "A repeated line is dropped and acknowledged, once however many there are; a gap is an error with the number expected"
    )
    func numbersLines() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            _ = try answer(client, "w")
            client.write(1, "a")
            client.write(2, "b")
            #expect(try client.acknowledges(2))
            client.send(String(repeating: "write 1 1\na\nwrite 2 1\nb\n", count: 100))
            #expect(try client.next() == .acknowledged(2))
            client.write(4, "d")
            #expect(try client.nextError()! == (.sequence, 3))
            #expect(try client.rest().isEmpty)
            try home.until("both arrive") { home.outputSize >= 4 }
            #expect(home.text() == "a\nb\n")
        }
    }

    @Test(
        "A name has its last number compared, and its epoch; a writer that was refused writes nothing until it has said its name"
    )
    func comparesNumbers() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let first = try home.channel(of: keeper)
            _ = try answer(first, "w")
            first.write(1, "a")
            #expect(try first.acknowledges(1))
            let second = try home.channel(of: keeper)
            second.send("writer w {\"last\":0}\n")
            #expect(try second.nextError()?.code == .sequence)
            #expect(try second.rest().isEmpty)
            #expect(try first.isAnswered(), "the one that has the name keeps it")
            let third = try home.channel(of: keeper)
            third.send("writer v {\"epoch\":\"0000000000000000\",\"last\":7}\nwrite 8 1\nx\n")
            #expect(try third.nextError()?.code == .epoch)
            #expect(try third.nextError()! == (.argument, 8))
            for unreadable in ["_v", "v {\"last\":1000000000000000}", "v {\"epoch\":5}"] {
                let fourth = try home.channel(of: keeper)
                fourth.send("writer \(unreadable)\nwrite 1 1\nx\n")
                #expect(try fourth.nextError()?.code == .argument)
                #expect(try fourth.nextError()! == (.argument, 1), "its lines are nobody else's")
            }
            // Unknown here, and nothing was forgotten: it begins anew.
            #expect(try answer(third, "v {\"last\":7}") == .writer(WriterName("v")!, last: 0, acknowledged: 0))
            third.send("writer v\n")
            #expect(try third.nextError()?.code == .argument)
            third.write(1, "b")
            #expect(try third.acknowledges(1))
            third.send("writer late\n")
            #expect(try third.nextError()?.code == .argument)
            try home.until("both arrive") { home.outputSize >= 4 }
            #expect(home.text() == "a\nb\n")
        }
    }

    @Test(
        "Of 1,024 names the one unused for longest is forgotten, never one that is connected or has lines on their way")
    func forgets() throws {
        let writers = Writers()
        func name(_ number: Int) -> WriterName { WriterName("n\(number)")! }
        for number in 0..<ChannelConstants.rememberedWriters {
            writers.noteUse(try #require(writers.make(name(number))))
        }
        #expect(!writers.hasForgotten)
        writers[name(0)]!.took(end: 10)
        writers.noteTaken(writers[name(0)]!)
        writers.noteUse(writers[name(1)]!)
        #expect(writers.make(name(0)) === writers[name(0)])
        let newest = try #require(writers.make(name(5000)))
        writers.noteUse(newest)
        #expect(writers.hasForgotten && writers.count == ChannelConstants.rememberedWriters)
        #expect(writers[name(2)] == nil && writers[name(0)] != nil && writers[name(1)] != nil)
        // All have lines on their way.
        for number in 3..<ChannelConstants.rememberedWriters { writers[name(number)]!.took(end: 20) }
        for writer in [newest, writers[name(1)]!] { writer.took(end: 20) }
        #expect(writers.make(name(6000)) == nil)
        #expect(writers[name(0)]!.written(upTo: 10))
        #expect(writers.make(name(6000)) != nil)
        #expect(writers[name(0)] == nil)
    }

    @Test("A name that is made up for one program is forgotten before those that come back")
    func forgetsPassing() throws {
        let writers = Writers()
        let names = ["host", "m-server", "m-0123456789abcdeg"].map { WriterName($0)! }
        for name in names { writers.noteUse(try #require(writers.make(name))) }
        for number in 0..<UInt64(2 * ChannelConstants.rememberedWriters) {
            writers.noteUse(try #require(writers.make(.passing(random: number))))
        }
        #expect(writers.count == ChannelConstants.rememberedWriters && writers.hasForgotten)
        #expect(names.allSatisfy { writers[$0] != nil } && writers[.passing(random: 0)] == nil)
    }

    @Test("A client whose name was forgotten is told so; one that is unknown otherwise begins anew")
    func tellsForgotten() throws {
        try withKeeperHome { home in
            let keeper = try home.startReady()
            let client = try home.channel(of: keeper)
            _ = try answer(client, "first")
            client.write(1, "a")
            #expect(try client.acknowledges(1))
            client.close()
            for number in 0..<ChannelConstants.rememberedWriters {
                let other = try home.channel(of: keeper)
                _ = try answer(other, "n\(number)")
                other.close()
            }
            let again = try home.channel(of: keeper)
            again.send("writer first {\"epoch\":\"\(again.hello.epoch)\",\"last\":1}\n")
            #expect(try again.nextError()?.code == .writerForgotten)
            #expect(try answer(again, "first {\"last\":0}") == .writer(WriterName("first")!, last: 0, acknowledged: 0))
            #expect(try again.status().writersTotal == ChannelConstants.rememberedWriters)
        }
    }
}
