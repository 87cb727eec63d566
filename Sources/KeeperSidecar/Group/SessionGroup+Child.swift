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
        let countsMemory = hasMemoryController
        let place = countsMemory && enterKeeperGroup(note) ? keeperPath : path
        let isInside = enterChildGroup(note)
        defer {
            if isInside { leaveChildGroup(to: place, note) }
            if countsMemory { boundMemory(note) }
        }
        return try start()
    }

    private var hasMemoryController: Bool {
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
            try SessionGroup.make(keeperPath)
            try SessionGroup.enter(keeperPath)
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
            try SessionGroup.make(childPath)
            try SessionGroup.enter(childPath)
            return true
        } catch {
            note("the child has no control group of its own: \(error)")
            return false
        }
    }

    private func leaveChildGroup(to place: String, _ note: (String) -> Void) {
        do throws(Failure) {
            try SessionGroup.enter(place)
            hasChildGroup = true
        } catch {
            note("the keeper cannot leave its child's control group: \(error)")
        }
    }

    /// Bounds the memory of the child's group. Called when the keeper has left it: there, a low limit would end the keeper.
    private func boundMemory(_ note: (String) -> Void) {
        // Limits without effect are told before the child's start.
        guard hasChildGroup else { return }
        do throws(Failure) {
            for (file, value) in SessionGroup.files(limits.ofChildMemory) {
                try SessionGroup.write(value, to: "\(childPath)/\(file)")
            }
        } catch {
            note("the keeper has part in its child's limits of memory: \(error)")
        }
    }
}
