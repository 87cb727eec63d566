import Libc
import UVKeeper

extension Host {
    /// Reads what an ended session has left, without a free descriptor from the first bytes on until a little later.
    static func read(_ arguments: [String]) throws {
        let session = try SessionID(arguments[1])
        let loop = try Loop()
        let manager = try manager(arguments[0], on: loop, sidecar: "none")
        let timer = TimerHandle(on: loop)
        let shortage = DescriptorShortage()
        var (bytes, gaps) = (0, 0)
        manager.session(session).read(from: .start) { _, _, span in
            bytes += span.byteCount
            guard !shortage.hasBegun else { return }
            shortage.begin()
            timer.start(after: .milliseconds(120)) { _ in shortage.end() }
        } onEvent: { event in
            switch event {
            case .gap: gaps += 1
            case .ended(let exit):
                say("\(bytes) bytes, \(gaps) gaps, code \(exit?.code ?? -1)")
                timer.close()
                manager.close()
            case .finished, .failed: say(event)
            }
        }
        loop.run()
        try loop.close()
    }
}
