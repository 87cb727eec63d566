import KeeperProtocol
import Testing

@Suite struct SessionLabelsTests {
    private static func error(_ json: JSONValue, _ labels: SessionLabels = [:]) -> SessionLabelsError? {
        do throws(SessionLabelsError) {
            _ = try labels.changed(by: json.members ?? [])
            return nil
        } catch {
            return error
        }
    }

    @Test("a string sets a label, null removes it, the others stay")
    func changed() throws {
        let before: SessionLabels = ["a": "1", "b": "2"]
        let labels = try before.changed(by: [.init("a", nil), .init("c", "3"), .init("d", nil)])
        #expect(labels == ["b": "2", "c": "3"])
        #expect((["b": "2", "a": ""] as SessionLabels).json == ["a": "", "b": "2"])
    }

    @Test("names and values are bytes: two normal forms of one text are two")
    func bytes() throws {
        let (one, other) = ("\u{E9}", "e\u{301}")
        var labels: SessionLabels = [one: "composed", other: "decomposed"]
        #expect(labels.count == 2 && labels[one] == "composed" && labels[other] == "decomposed")
        #expect(try SessionLabels.of(try JSONValue(labels.json.encoded)) == labels)
        #expect(labels.json.encoded == Array("{\"e\u{301}\":\"decomposed\",\"\u{E9}\":\"composed\"}".utf8))
        labels[one] = nil
        #expect(labels.map(\.key.utf8.count) == [3])
        labels[other] = one
        #expect(labels != [other: other] && labels == [other: one])
        #expect(labels.contains(other, one) && !labels.contains(other, other) && !labels.contains(one, one))
        #expect(try labels.changed(by: [.init(one, nil)]) == labels)
        #expect(Set([labels, [one: one], [other: other], [one: other]]).count == 4)
    }

    @Test("labels are an object")
    func notAnObject() {
        #expect(throws: SessionLabelsError.notAnObject) { try SessionLabels.of([]) }
        #expect(throws: SessionLabelsError.notAnObject) { try SessionLabels.of("a") }
    }

    @Test("a label is a string", arguments: [5, true, [], [:]] as [JSONValue])
    func notAString(value: JSONValue) {
        #expect(Self.error(["a": value]) == .notAString("a"))
    }

    @Test("a name has 1 to 64 bytes, a value up to 1,024")
    func lengths() {
        func text(_ count: Int) -> String { String(repeating: "é", count: count / 2) + (count % 2 == 1 ? "x" : "") }
        #expect(Self.error(.object([.init(text(64), "")])) == nil)
        #expect(Self.error(.object([.init(text(65), "")])) == .badName(text(65)))
        #expect(Self.error(["": ""]) == .badName(""))
        #expect(Self.error(["a": .string(text(1024))]) == nil)
        #expect(Self.error(["a": .string(text(1025))]) == .valueTooLong("a"))
    }

    @Test("there are 64 at most, and 16 KiB in all, after the change")
    func bounds() {
        let most = SessionLabels((0..<64).map { ("\($0)", "") })
        #expect(Self.error(["0": "again"], most) == nil)
        #expect(Self.error(["64": ""], most) == .tooMany)
        #expect(Self.error(["64": "", "0": nil], most) == nil)

        let large = SessionLabels((10..<26).map { ("\($0)", String(repeating: "x", count: 1022)) })
        #expect(Self.error(["10": nil, "99": .string(String(repeating: "y", count: 1022))], large) == nil)
        #expect(Self.error(["99": ""], large) == .tooLarge)
    }
}
