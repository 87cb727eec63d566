import TestSupport
import Testing

@testable import UVLoop

func ms(_ count: Int) -> Duration { .milliseconds(count) }
func address6(_ number: UInt64) -> SocketAddress {
    SocketAddress(.ipv6(high: 0x2001_0DB8_0000_0000, low: number, scope: 0, port: 80))
}
func address4(_ number: UInt32) -> SocketAddress { SocketAddress(.ipv4(0xC000_0200 + number, port: 80)) }

extension HappyEyeballs.Action {
    var address: SocketAddress? {
        if case .connect(_, let address) = self { address } else { nil }
    }

    var isEnd: Bool {
        switch self {
        case .win, .fail: true
        case .connect, .arm, .disarm: false
        }
    }
}

/// Random name servers, a clock and a network, and the rules that must hold with all of them.
struct RandomWorld {
    private var random: SeededGenerator
    private var machine: HappyEyeballs
    private var now: Duration
    private let start: Duration
    private var unanswered: [(families: Resolver.Families, addresses: [SocketAddress], error: UVError?)] = []
    private var deadline: Duration?
    /// The time at which the timer fires.
    private var timer: Duration?
    private var running: Set<Int> = []
    private var tried: [SocketAddress] = []
    private var arrived: Set<SocketAddress> = []
    private var lastBegun: Duration?
    private var errors: [Int: UVError] = [:]
    private var end: HappyEyeballs.Action?

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        now = ms(Int.random(in: 0...10_000, using: &random))
        start = now
        let families = [Resolver.Families.ipv4, .ipv6, .all].randomElement(using: &random)!
        machine = HappyEyeballs(families: families, at: now)
        // The addresses are few, so that some come twice.
        let sixes = (0..<Int.random(in: 0...5, using: &random)).map { _ in address6(.random(in: 1...5, using: &random))
        }
        let fours = (0..<Int.random(in: 0...5, using: &random)).map { _ in address4(.random(in: 1...5, using: &random))
        }
        if families == .all, Bool.random(using: &random) {
            unanswered = [(.ipv6, sixes, nil), (.ipv4, fours, nil)]
        } else {
            let wanted = (sixes + fours).filter { families.contains($0) }
            unanswered = [(families, wanted, nil)]
        }
        for index in unanswered.indices where unanswered[index].addresses.isEmpty && Bool.random(using: &random) {
            unanswered[index].error = .noAddress
        }
        if Int.random(in: 0..<4, using: &random) == 0 { deadline = now + ms(Int.random(in: 0...2000, using: &random)) }
        self.random = random
    }

    mutating func run() {
        for _ in 0..<10_000 where end == nil { step() }
        #expect(end != nil, "it ends")
        checkEnd()
        // Attempts and look-ups that were given up still report.
        for number in 0..<tried.count { handle(.failed(attempt: number, .connectionReset)) }
        for answer in unanswered { handle(.answered(answer.families, .success(answer.addresses))) }
        handle(.delayPassed)
        handle(.gaveUp(.timedOut))
    }

    /// Makes one possible event happen.
    private mutating func step() {
        now += ms(Int.random(in: 0...120, using: &random))
        if let deadline, now >= deadline { return handle(.gaveUp(.timedOut)) }
        if let due = timer, now >= due {
            // The timer fires on time.
            now = max(due, lastBegun ?? due)
            timer = nil
            return handle(.delayPassed)
        }
        switch Int.random(in: 0..<3, using: &random) {
        case 0 where !unanswered.isEmpty:
            let answer = unanswered.remove(at: Int.random(in: unanswered.indices, using: &random))
            arrived.formUnion(answer.addresses)
            handle(.answered(answer.families, answer.error.map { .failure($0) } ?? .success(answer.addresses)))
        case 1:
            guard let number = running.sorted().randomElement(using: &random) else { return }
            running.remove(number)
            if Int.random(in: 0..<6, using: &random) == 0 {
                handle(.connected(attempt: number))
            } else {
                errors[number] = [.connectionRefused, .networkUnreachable].randomElement(using: &random)!
                handle(.failed(attempt: number, errors[number]!))
            }
        default: break
        }
    }

    private mutating func handle(_ input: HappyEyeballs.Input) {
        let hadEnded = end != nil
        let actions = machine.handle(input, at: now)
        if hadEnded { #expect(actions == [], "no action after the end") }
        for action in actions { perform(action, because: input) }
        #expect(actions.count { $0.isEnd } == 0 || actions.last!.isEnd, "the end is the last action")
        guard end == nil else { return }
        let isLeft = !arrived.subtracting(tried).isEmpty
        #expect(!isLeft || timer != nil, "a timer runs as long as an address is left")
        #expect(!running.isEmpty || !unanswered.isEmpty || timer != nil, "something will happen")
        #expect(timer == nil || isLeft || !unanswered.isEmpty, "the timer has something to wait for")
    }

    private mutating func perform(_ action: HappyEyeballs.Action, because input: HappyEyeballs.Input) {
        switch action {
        case .connect(let number, let address):
            #expect(number == tried.count && arrived.contains(address) && !tried.contains(address))
            if let lastBegun, now - lastBegun < ms(250), case .answered = input {
                // An address is tried at once after an answer only if another attempt has failed meanwhile.
                #expect(!errors.isEmpty)
            }
            if let lastBegun, case .delayPassed = input { #expect(now - lastBegun >= ms(250)) }
            if let last = tried.last, !arrived.subtracting(tried).filter({ $0.family != last.family }).isEmpty {
                #expect(address.family != last.family, "the families take turns")
            }
            tried.append(address)
            running.insert(number)
            lastBegun = now
        case .arm(let delay):
            #expect(delay == (tried.isEmpty ? ms(50) : ms(250)))
            timer = now + delay
        case .disarm:
            #expect(timer != nil, "a timer that runs is stopped")
            timer = nil
        case .win(let number, let abandoned):
            #expect(!running.contains(number) && number < tried.count && Set(abandoned) == running)
            end = action
        case .fail(_, let abandoned):
            #expect(Set(abandoned) == running)
            end = action
        }
    }

    private func checkEnd() {
        #expect(timer == nil, "no timer is left")
        guard case .fail(let error, _) = end else { return }
        #expect(error.attempts.map(\.address) == tried, "every attempt is in the list")
        for (number, attempt) in error.attempts.enumerated() {
            #expect(attempt.error == errors[number] ?? .timedOut)
            #expect(attempt.begun >= .zero && attempt.lasted >= .zero && start + attempt.begun + attempt.lasted <= now)
        }
        guard error.error != .timedOut else { return }
        #expect(Set(tried) == arrived && unanswered.isEmpty && running.isEmpty, "everything was tried before it failed")
        if tried.isEmpty {
            #expect(error.error == .noAddress)
        } else {
            #expect(error.attempts.contains { $0.error == error.error })
        }
    }
}
