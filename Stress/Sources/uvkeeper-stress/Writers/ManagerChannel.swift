import UVKeeper

/// Lines through `KeeperManager.writeRPC`.
final class ManagerChannel: LineChannel {
    private let manager: KeeperManager
    private let session: SessionID

    init(_ manager: KeeperManager, session: SessionID) {
        self.manager = manager
        self.session = session
    }

    var isReady: Bool { true }

    func send(_ bytes: [UInt8], completion: @escaping (Ledger.Outcome) -> Void) {
        manager.writeRPC(bytes, to: session) { completion(Ledger.Outcome($0)) }
    }

    func close() {}
}

extension Ledger.Outcome {
    init(_ outcome: WriteOutcome) {
        switch outcome {
        case .written, .sent: self = .written
        case .refused(.queueFull): self = .overflowed
        case .refused: self = .refused
        case .unknown: self = .unknown
        }
    }
}
