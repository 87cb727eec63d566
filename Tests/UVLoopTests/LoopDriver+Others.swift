import TestSupport
import Testing
import UVLoop

extension LoopDriver {
    /// Does one random operation on something other than streams.
    func actOnOthers() {
        switch number(below: 100) {
        case 0..<22: send()
        case 22..<40: lookUp()
        case 40..<45: names.answer(1)
        case 45..<50: pick(lookups)?.cancel()
        case 50..<55: readFile()
        case 55..<60: pauseReader()
        case 60..<75: writeFile()
        case 75..<80: watch()
        case 80..<85: follow()
        case 85..<92: work()
        default: waitForTime()
        }
    }

    private func send() {
        guard let socket = pick(sockets.filter(isMine)) else { return }
        let count = pick([0, 10, 60_000, 100_000])!
        for _ in 0...number(below: 3) {
            // The target is wrong now and then, connected or not: an error.
            let target = chance(50) ? nil : refusing.localAddress
            ask("message of \(count)") { done in
                socket.send([UInt8](repeating: 1, count: count), to: target) { _ in done() }
            }
        }
    }

    private func lookUp() {
        let host = pick(["127.0.0.1", "localhost", "a.test", "b.test"])!
        ask("look-up of \(host)") { done in
            let deadline: Duration? = chance(50) ? nil : someTime
            if chance(70) {
                lookups.append(
                    try resolver.addresses(of: host, port: 1, deadline: deadline, on: loop) { _ in done() })
            } else {
                lookups.append(
                    try resolver.name(of: refusing.localAddress, deadline: deadline, on: loop) { _ in done() })
            }
        }
    }

    func newReader() -> FileReader? {
        guard let reader = try? FileReader("\(directory)/file", on: loop) else { return nil }
        own(reader)
        readers.append(reader)
        return reader
    }

    private func readFile() {
        guard let reader = newReader() else { return }
        ask("end of a file", of: reader) { done in
            reader.start(
                onBytes: { [unowned self] reader, _ in mustBeOpen(reader) }, onEnd: { _, _ in done() })
        }
    }

    private func pauseReader() {
        guard let reader = pick(readers.filter(isMine)) else { return }
        if chance(50) { reader.pause() } else { reader.resume() }
    }

    private func writeFile() {
        if writers.isEmpty || chance(20) {
            guard let writer = try? FileWriter("\(directory)/\(chance(50) ? "log" : "file")", on: loop) else { return }
            writer.onDrain = { [unowned self] in mustBeOpen($0) }
            own(writer)
            writers.append(writer)
        }
        guard let writer = pick(writers.filter(isMine)) else { return }
        if chance(20) { return ask("synchronizing") { done in writer.synchronize { _ in done() } } }
        ask("write to a file") { done in writer.write([UInt8](repeating: 66, count: 10_000)) { _ in done() } }
    }

    private func watch() {
        let watcher = FileWatcher(on: loop)
        own(watcher)
        try? watcher.start(chance(50) ? directory : "\(directory)/file") { [unowned self] watcher, _ in
            mustBeOpen(watcher)
        }
    }

    private func follow() {
        let tail = FileTail("\(directory)/\(chance(80) ? "file" : "none")", on: loop)
        own(tail)
        try? tail.start(
            from: chance(50) ? .start : .end,
            onBytes: { [unowned self] tail, _ in mustBeOpen(tail) },
            onEvent: { [unowned self] tail, _ in mustBeOpen(tail) })
        if chance(30) { tail.pause() }
    }

    private func work() {
        ask("work") { done in
            let work = try loop.queueWork({}) { done() }
            work.onCanceled = done
            works.append(work)
        }
        if chance(40) { pick(works)?.cancel() }
    }

    private func waitForTime() {
        var body: () -> Void = {}
        let timer = loop.after(.milliseconds(number(below: 5))) { body() }
        // The timer closes itself before the call.
        own(timer)
        ask("time", of: timer) { done in
            body = { [unowned self] in
                noteEnd(of: timer)
                done()
            }
            // `onCanceled` comes instead of the call if the loop closes the timer.
            let canceled = timer.onCanceled
            timer.onCanceled = {
                canceled?()
                done()
            }
        }
    }
}
