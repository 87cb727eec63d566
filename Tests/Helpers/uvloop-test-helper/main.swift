import Libc

// Scenarios that change what a whole process shares: limits, signals, descriptors, children. Each runs alone in a process
// of its own; exit status 0 means that everything it required held.

let arguments = Array(CommandLine.arguments.dropFirst())
guard let name = arguments.first, let scenario = scenarios[name] else {
    fail("unknown scenario: \(arguments)")
}
do {
    try scenario(Array(arguments.dropFirst()))
} catch {
    fail("\(name) threw \(error)")
}
