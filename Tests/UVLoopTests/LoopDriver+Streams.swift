import TestSupport
import Testing
import UVLoop

extension LoopDriver {
    private static let maximumStreams = 30

    func take(_ stream: UVLoop.Stream) {
        own(stream)
        streams.append(DrivenStream(stream))
        stream.onDrain = { [unowned self] in mustBeOpen($0) }
    }

    private func someStream(_ condition: (DrivenStream) -> Bool = { _ in true }) -> DrivenStream? {
        pick(streams.filter { isMine($0.stream) && condition($0) })
    }

    /// Does one random operation on streams.
    func actOnStreams() {
        switch number(below: 100) {
        case 0..<16: connect()
        case 16..<22: connectToHost()
        case 22..<46: write()
        case 46..<54: read()
        case 54..<60: shutDown()
        case 60..<66: finish()
        case 66..<74: sendFile()
        case 74..<84: pipe()
        case 84..<89: idle()
        case 89..<93: openTerminal()
        default: pauseOrResume()
        }
    }

    private func connect() {
        guard streams.count < LoopDriver.maximumStreams else { return }
        let address = pick([tcp, tcp, tcp, refusing, full])!.localAddress
        if chance(25) {
            let path = chance(80) ? unix.path : "\(directory)/none"
            return ask("unix connect") { done in
                self.take(
                    try PipeStream(connectingTo: path, on: loop) { stream, error in
                        if error != nil { self.noteFailure(of: stream) }
                        done()
                    })
            }
        }
        let local = chance(10) ? address : nil
        ask("TCP connect") { done in
            self.take(
                try TCPStream(connectingTo: address, from: local, on: loop) { stream, error in
                    if error != nil { self.noteFailure(of: stream) }
                    done()
                })
        }
    }

    private func connectToHost() {
        guard streams.count < LoopDriver.maximumStreams else { return }
        let host = pick(["127.0.0.1", "localhost", "host.test"])!
        let port = pick([tcp, refusing, full])!.localAddress.port!
        ask("connect to \(host)") { done in
            let connect = try TCPConnect(toHost: host, port: port, resolver: resolver, within: someTime, on: loop) {
                if case .success(let stream) = $0 { self.take(stream) }
                done()
            }
            connects.append(connect)
        }
        if chance(20) { pick(connects)?.cancel() }
    }

    private func write() {
        guard let driven = someStream({ $0.mayWrite }) else { return }
        let count = pick([0, 1, 10, 300_000])!
        for _ in 0...number(below: 3) {
            ask("write of \(count)") { done in
                driven.stream.write([UInt8](repeating: 65, count: count)) { _ in done() }
            }
        }
        if chance(5) { ask("parts") { done in driven.stream.write(parts: [[1], [2, 3]]) { _ in done() } } }
    }

    private func read() {
        guard let driven = someStream({ $0.mayRead }) else { return }
        driven.mayRead = false
        ask("end of reading", of: driven.stream) { done in
            do {
                try driven.stream.readStart(
                    onBytes: { [unowned self] stream, _ in mustBeOpen(stream) },
                    onEnd: { _, _ in
                        driven.mayRead = true
                        done()
                    })
            } catch {
                driven.mayRead = true
                throw error
            }
        }
    }

    private func pauseOrResume() {
        guard let driven = someStream({ !$0.mayRead }) else { return }
        if chance(50) { return driven.stream.readStop() }
        // The stream may have ended, and cannot be read any more then.
        try? driven.stream.readResume()
    }

    private func shutDown() {
        guard let driven = someStream() else { return }
        driven.mayWrite = false
        ask("shutdown") { done in driven.stream.shutdown { _ in done() } }
    }

    private func finish() {
        guard let driven = someStream() else { return }
        driven.mayWrite = false
        noteFailure(of: driven.stream)
        ask("finish") { done in driven.stream.finish(deadline: someTime) { _ in done() } }
    }

    private func sendFile() {
        guard let driven = someStream({ $0.mayWrite }) else { return }
        let limit: UInt64? = pick([nil, 0, 10, 100_000])!
        ask("sending of a file") { done in
            try driven.stream.sendFile("\(directory)/\(chance(95) ? "file" : "none")", limit: limit) { _ in done() }
        }
    }

    private func pipe() {
        guard let sink = someStream({ $0.mayWrite }) else { return }
        let finishes = chance(50)
        if chance(30) {
            guard let reader = newReader() else { return }
            if finishes { sink.mayWrite = false }
            return ask("piping of a file") { done in
                reader.pipe(to: sink.stream, finishing: finishes) { _ in done() }
            }
        }
        guard let source = someStream({ $0.mayRead }) else { return }
        source.mayRead = false
        ask("piping") { done in
            do {
                if chance(30), let writer = pick(writers.filter(isMine)) {
                    try source.stream.pipe(to: writer) { _ in done() }
                } else {
                    try source.stream.pipe(to: sink.stream, finishing: finishes) { _ in done() }
                    if finishes { sink.mayWrite = false }
                }
            } catch {
                source.mayRead = true
                throw error
            }
        }
    }

    private func idle() {
        guard let driven = someStream() else { return }
        let closes = chance(20)
        driven.stream.onIdle(after: chance(80) ? .milliseconds(number(below: 4)) : nil) { [unowned self] stream in
            mustBeOpen(stream)
            guard closes, isMine(stream) else { return }
            noteEnd(of: stream)
            stream.close()
        }
    }

    private func openTerminal() {
        if let driven = someStream({ $0.stream is Terminal }), let terminal = driven.stream as? Terminal {
            // A terminal that the loop has closed throws.
            if chance(50) { try? terminal.setMode(chance(50) ? .raw : .original) }
            if chance(50) { try? terminal.onResize { _, _ in } }
            return
        }
        guard let terminal = try? Terminal(self.terminal.terminal, on: loop) else { return }
        take(terminal)
    }
}
