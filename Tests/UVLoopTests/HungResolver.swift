@testable import UVLoop

/// A resolver whose name service hangs until it may answer, and the outcomes of its completions.
final class HungResolver {
    let names = FakeNames()
    let resolver: Resolver
    let loop: Loop
    var outcomes: [String] = []

    init(threads: Int = 2, waiting: Int = 100, on loop: Loop) {
        resolver = Resolver(threads: threads, waiting: waiting, service: names.service)
        self.loop = loop
    }

    deinit { names.open() }

    @discardableResult
    func ask(_ host: String, deadline: Duration? = nil) throws(UVError) -> Lookup {
        try resolver.addresses(of: host, port: 80, deadline: deadline, on: loop) { outcome in
            switch outcome {
            case .success: self.outcomes.append("\(host) ok")
            case .failure(let error): self.outcomes.append("\(host) \(error.name)")
            }
        }
    }

    /// Waits until `count` more calls of the name service hang.
    func awaitCalls(_ count: Int) {
        for _ in 0..<count { names.awaitCall() }
    }
}
