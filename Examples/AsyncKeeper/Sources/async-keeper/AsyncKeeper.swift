import UVKeeperAsync

@main
enum AsyncKeeper {
    static func main() async throws {
        let keepers = try await Keepers()
        // Adopts the session if a run before this one has started it, else starts it.
        let session = try await keepers.open("calculator", ["bc", "-l"], in: "/tmp")
        let status = try await session.status()
        // From where its output stands now: an answer cannot be missed, however fast it is.
        let end = status.output?.out.end ?? 0
        async let answer = session.lines(from: .offsets([.out: end], epoch: status.epoch)).first { _ in true }
        switch await session.write("6 * 7") {
        case .written, .sent: print("6 * 7 =", try await answer?.text ?? "nothing: the session has ended")
        case .refused(let why): print("it was not delivered, and can be sent again:", why)
        case .unknown(let why): print("nobody knows whether it was delivered:", why)
        }
        await keepers.close()  // the keeper and its child live on
    }
}
