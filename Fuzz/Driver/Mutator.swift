/// Inputs made of those in a corpus.
struct Mutator {
    /// The longest input, in bytes.
    static let longest = 512

    /// What the grammars here are made of; a random byte hardly ever hits it.
    private static let tokens = [
        " ", "\n", "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "\\ud83d\\ude00", "0", "00", "9", "-1", "1e5",
        "0.5",
        "999999999999999", "1000000000000000", "true", "false", "null", ".", "\u{E9}", "\u{0}", "{\"a\":", "[[[[",
    ].map { Array($0.utf8) }

    private let corpus: [[UInt8]]
    private var generator: SeededGenerator

    init(corpus: [[UInt8]], seed: UInt64) {
        self.corpus = corpus.isEmpty ? [[]] : corpus
        generator = SeededGenerator(seed: seed)
    }

    mutating func next() -> [UInt8] {
        var input = corpus.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &generator) { mutate(&input) }
        return Array(input.prefix(Mutator.longest))
    }

    private mutating func mutate(_ input: inout [UInt8]) {
        let place = Int.random(in: 0...input.count, using: &generator)
        let end = Int.random(in: place...min(input.count, place + 16), using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: input.removeSubrange(place..<end)
        case 1: input.insert(contentsOf: Mutator.tokens.randomElement(using: &generator) ?? [], at: place)
        case 2: input.insert(.random(in: .min ... .max, using: &generator), at: place)
        case 3 where place < input.count: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 4 where place < input.count: input[place] = .random(in: .min ... .max, using: &generator)
        case 5: input.insert(contentsOf: input[place..<end], at: Int.random(in: 0...input.count, using: &generator))
        default:
            let other = corpus.randomElement(using: &generator) ?? []
            let rest = other[Int.random(in: 0...other.count, using: &generator)...]
            input.replaceSubrange(place..., with: rest)
        }
    }
}
