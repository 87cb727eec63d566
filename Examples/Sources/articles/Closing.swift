import UVLoop

func closing() throws {
    let loop = try Loop()
    let timer = TimerHandle(on: loop)
    timer.start(after: .seconds(3600)) { _ in print("never") }
    timer.unref()  // the loop does not wait for it
    loop.run()

    do throws(LoopStillOpen) {
        try loop.close()
    } catch {
        print(error)  // names the timer: it is still open
    }

    timer.close { print("closed") }  // on a later tick
    loop.run()
    try loop.close()
}
