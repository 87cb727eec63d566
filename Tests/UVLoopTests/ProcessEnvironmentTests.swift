import TestSupport
import Testing
import UVLoop

@Suite("An environment") struct ProcessEnvironmentTests {
    @Test("finds the first of several, replaces and removes all") func duplicates() {
        var environment = ProcessEnvironment(entries: ["A=1", "B=2", "A=3", "AB=4"].map { Array($0.utf8) })
        #expect(environment["A"] == "1")
        #expect(environment["a"] == nil)
        #expect(environment.variables == ["A": "1", "B": "2", "AB": "4"])
        environment["A"] = "x=y"
        #expect(environment.entries.map { String(decoding: $0, as: UTF8.self) } == ["B=2", "AB=4", "A=x=y"])
        environment["A"] = nil
        #expect(environment["A"] == nil)
        #expect(environment["AB"] == "4")
    }

    @Test("is made of variables in the order of their names") func fromVariables() {
        let environment = ProcessEnvironment(["B": "2", "A": ""])
        #expect(environment.entries == [Array("A=".utf8), Array("B=2".utf8)])
    }

    @Test("gives bytes that are no UTF-8 as text, and takes them back") func invalid() {
        var environment = ProcessEnvironment(entries: [[65, 61, 0xff], [0xE9, 61, 66]])
        #expect(environment["A"] == "\u{10ffff}")
        #expect(environment.variables == ["A": "\u{10ffff}", "\u{10ffe9}": "B"])
        #expect(environment.entries == [[65, 61, 0xff], [0xE9, 61, 66]])
        environment["A"] = RawText.string([0x80, 0x41])
        environment["\u{10ffe9}"] = nil
        #expect(environment.entries == [[65, 61, 0x80, 0x41]])
        #expect(ProcessEnvironment(["A": "\u{10ffff}"]).entries == [[65, 61, 0xff]])
    }

    @Test("of this process is read as it is now") func current() throws {
        try expectScenario("current-environment")
    }
}
