import UVLoop

func threads() throws {
    let thread = try LoopThread(name: "sessions")
    // From any thread; false only after shutdown().
    let isTaken = thread.submit { loop in
        loop.after(.milliseconds(1)) { print("on the loop's thread") }
    }
    print("taken:", isTaken)

    // The other way: work that would block the loop goes to a pool of threads.
    let loop = try Loop()
    try loop.queueWork({ (1...1000).reduce(0, +) }) { sum in
        print("the sum is \(sum)")
        thread.shutdown()
    }
    loop.run()
    try loop.close()
}
