import UVLoop

func ticks() throws {
    let loop = try Loop()
    let timer = TimerHandle(on: loop)
    var count = 0
    timer.start(after: .milliseconds(10), repeating: .milliseconds(10)) { timer in
        count += 1
        print("tick", count)
        if count == 3 { timer.close() }
    }
    loop.run()  // returns when nothing is left that could call back
    try loop.close()
}
