public import UVLoop

extension Resolver {
    /// Finds the addresses of a host, as ``/UVLoop/Resolver/addresses(of:port:families:deadline:on:completion:)`` does.
    ///
    /// - Throws: the same errors; ``/UVLoop/UVError/canceled`` if the task is canceled.
    public func addresses(
        of host: String, port: Int, families: Families = .all, deadline: Duration? = .seconds(30),
        on executor: LoopExecutor,
    ) async throws(UVError) -> [SocketAddress] {
        try await OneShot<[SocketAddress], UVError>.run(on: executor, canceled: .canceled) { loop, end in
            do throws(UVError) {
                let lookup = try self.addresses(of: host, port: port, families: families, deadline: deadline, on: loop)
                {
                    end.end($0)
                }
                end.onCancel = { lookup.cancel() }
            } catch {
                end.end(.failure(error))
            }
        }
    }

    /// Finds the names of an address, as ``/UVLoop/Resolver/name(of:deadline:on:completion:)`` does.
    /// - Throws: the same errors; ``/UVLoop/UVError/canceled`` if the task is canceled.
    /// - Throws: as there; ``/UVLoop/UVError/canceled`` if the task is canceled.
    public func name(
        of address: SocketAddress, deadline: Duration? = .seconds(30), on executor: LoopExecutor,
    ) async throws(UVError) -> NameService.Name {
        try await OneShot<NameService.Name, UVError>.run(on: executor, canceled: .canceled) { loop, end in
            do throws(UVError) {
                let lookup = try self.name(of: address, deadline: deadline, on: loop) { end.end($0) }
                end.onCancel = { lookup.cancel() }
            } catch {
                end.end(.failure(error))
            }
        }
    }
}
