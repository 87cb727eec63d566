import UVLoop

func flowControl() throws {
    let loop = try Loop()
    let cat = try ChildProcess(.init(executable: "cat", stdio: [.pipe, .pipe]), on: loop) { child, _ in child.close() }
    guard let input = cat.streams[0], let output = cat.streams[1] else { return }

    // A producer that stops when the queue is full, and goes on when it is empty.
    var left = 64
    func produce(_ stream: Stream) {
        while left > 0 {
            left -= 1
            if !stream.write([UInt8](repeating: 0, count: 16_384)) { return }
        }
        stream.shutdown { _ in stream.close() }
    }
    input.onDrain = { produce($0) }

    var received = 0
    try output.readStart(
        onBytes: { _, bytes in received += bytes.byteCount },
        onEnd: { output, _ in output.close() })
    produce(input)
    loop.run()
    try loop.close()
    print("received \(received) bytes")
}
