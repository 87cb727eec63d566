import UVLoopAsync

func cancellation() async throws {
    let executor = try LoopExecutor()

    // The child is killed when its task is canceled.
    let sleeper = Task { try await executor.run("sleep", ["3600"]) }
    try await executor.clock.sleep(for: .milliseconds(50))
    sleeper.cancel()
    switch await sleeper.result {
    case .success(let result): print("ended: \(result.exit)")
    case .failure(let error): print("failed: \(error)")
    }

    await executor.shutdown()
}
