internal import KeeperProtocol
internal import UVLoop

/// The start of the child in a group of its own.
extension SessionGroup {
    /// Starts the child in its own group. A process starts in its parent's group, so the keeper enters the child's
    /// group for that moment.
    ///
    /// - Parameter note: told why the child stays in the keeper's group, or the keeper within its child's limits.
    func startChild<Child>(
        note: (String) -> Void, _ start: () throws(SpawnError) -> Child,
    ) throws(SpawnError) -> Child {
        let place = countsMemory && enterKeeperGroup(note) ? keeperPath : path
        let isInside = enterChildGroup(note)
        defer {
            if isInside { leaveChildGroup(to: place, note) }
            boundMemory(note)
        }
        return try start()
    }

    /// True if the session's group has the memory controller.
    private var countsMemory: Bool {
        do throws(UVError) {
            return String(decoding: try Files.read("\(path)/cgroup.controllers", limit: 4096), as: UTF8.self)
                .split { $0 == " " || $0 == "\n" }.contains("memory")
        } catch {
            return false
        }
    }

    /// Moves the keeper beside its child's group, and has the memory of each counted. systemd-oomd passes over a group
    /// whose groups below have no counts, and kills others in its stead; with counts it kills the child's group and spares
    /// the keeper. Only a group without processes of its own can have groups with counts.
    ///
    /// - Returns: false if the keeper is still in the session's group.
    private func enterKeeperGroup(_ note: (String) -> Void) -> Bool {
        do throws(Failure) {
            try SessionGroup.attempt(keeperPath) { () throws(UVError) in
                try Files.makeDirectory(at: keeperPath, permissions: 0o755)
            }
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(keeperPath)/cgroup.procs")
        } catch {
            note("the keeper has no control group of its own: \(error)")
            return false
        }
        do throws(Failure) { try SessionGroup.write("+memory", to: "\(path)/cgroup.subtree_control") } catch {
            // The keeper is as well off where it is.
            note("the memory of keeper and child is not counted apart: \(error)")
        }
        return true
    }

    private func enterChildGroup(_ note: (String) -> Void) -> Bool {
        do throws(Failure) {
            try SessionGroup.attempt(childPath) { () throws(UVError) in
                try Files.makeDirectory(at: childPath, permissions: 0o755)
            }
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(childPath)/cgroup.procs")
            return true
        } catch {
            note("the child has no control group of its own: \(error)")
            return false
        }
    }

    private func leaveChildGroup(to place: String, _ note: (String) -> Void) {
        do throws(Failure) {
            try SessionGroup.write("\(CurrentProcess.id)", to: "\(place)/cgroup.procs")
            hasChildGroup = true
        } catch {
            note("the keeper cannot leave its child's control group: \(error)")
        }
    }

    /// Bounds the memory of the child's group. Called when the keeper has left it: there, a low limit would end the keeper.
    private func boundMemory(_ note: (String) -> Void) {
        // Limits without effect are told before the child's start.
        guard hasChildGroup, countsMemory else { return }
        do throws(Failure) {
            for (file, value) in SessionGroup.files(limits.ofChildMemory) {
                try SessionGroup.write(value, to: "\(childPath)/\(file)")
            }
        } catch {
            note("the keeper has part in its child's limits of memory: \(error)")
        }
    }
}
