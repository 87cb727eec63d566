import Libc

/// What stands in for libFuzzer where the compiler has none: inputs from a seed, made of those in the corpus.
///
/// It sees nothing of the code that runs. The same seed gives the same inputs, and the present one is kept in a file that is
/// left behind by a trap.
@main
enum Driver {
    static func main() {
        var (runs, seed, artifact) = (100_000, UInt64(1), "crash")
        var corpus: [[UInt8]] = []
        for argument in CommandLine.arguments.dropFirst() where !argument.hasPrefix("--") {
            if let value = value(of: "-runs=", in: argument) {
                runs = Int(value) ?? runs
            } else if let value = value(of: "-seed=", in: argument) {
                seed = UInt64(value) ?? seed
            } else if let value = value(of: "-artifact_prefix=", in: argument) {
                artifact = value + "input"
            } else if !argument.hasPrefix("-") {
                corpus.append(contents(of: argument))
            }
        }
        let (target, file) = (Target.chosen, InputFile(artifact))
        var mutator = Mutator(corpus: corpus, seed: seed)
        for input in corpus { run(target, input, file) }
        for number in 1...max(1, runs) {
            run(target, mutator.next(), file)
            if number & (number - 1) == 0 || number == runs { print("#\(number)") }
        }
        file.remove()
    }

    private static func run(_ target: Target, _ input: [UInt8], _ file: InputFile) {
        file.keep(input)
        input.withUnsafeBytes { target.run($0) }
    }

    private static func value(of option: String, in argument: String) -> String? {
        argument.hasPrefix(option) ? String(argument.dropFirst(option.count)) : nil
    }

    private static func contents(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { fatalError("\(path) cannot be read") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Mutator.longest)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return bytes
    }
}

/// The present input, mapped so that it is in the file whatever ends the process.
struct InputFile {
    private let path: String
    private let descriptor: CInt
    private let memory: UnsafeMutableRawPointer

    init(_ path: String) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        // The first eight bytes are the input's length.
        let size = Mutator.longest + 8
        guard descriptor >= 0, ftruncate(descriptor, off_t(size)) == 0,
            let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { fatalError("\(path) cannot be made") }
        self.memory = memory
    }

    func keep(_ input: [UInt8]) {
        memory.storeBytes(of: UInt64(input.count).littleEndian, as: UInt64.self)
        input.withUnsafeBytes {
            (memory + 8).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
    }

    func remove() { unlink(path) }
}
