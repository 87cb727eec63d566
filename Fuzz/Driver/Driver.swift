import Libc

/// What stands in for libFuzzer where the compiler has none: inputs from a seed, made of those in the corpus.
///
/// It sees nothing of the code that runs. The same seed gives the same inputs. One file alone is tried as it is.
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
        guard corpus.count > 1 else { return file.remove() }
        for number in 1...max(1, runs) {
            run(target, mutator.next(), file)
            guard number & (number - 1) == 0 || number == runs else { continue }
            print("#\(number)")
            fflush(nil)
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

/// The present input, in a file before it is tried: whatever ends the process, the file has the input that did it.
struct InputFile {
    private let path: String
    private let descriptor: CInt

    init(_ path: String) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        if descriptor < 0 { fatalError("\(path) cannot be made") }
    }

    func keep(_ input: [UInt8]) {
        guard pwrite(descriptor, input, input.count, 0) == input.count, ftruncate(descriptor, off_t(input.count)) == 0
        else { fatalError("\(path) cannot be written") }
    }

    func remove() { unlink(path) }
}
