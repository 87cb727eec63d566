import UVKeeper

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The check that a run leaves nothing behind.
enum Remains {
    /// Looks for processes, files and descriptors of the run, gives ending ones a few seconds, and ends the others. A
    /// list that cannot be read is reported: its entries may not be gone.
    static func check(
        _ run: RunDirectory, descriptorsBefore before: Int, grace: Duration = .seconds(5),
        into violations: inout Violations,
    ) {
        do throws(UVError) {
            try checkProcesses(run, grace, into: &violations)
        } catch {
            violations.add(.processLeft, "they cannot be listed: \(error)")
        }
        do throws(UVError) {
            let files = try run.leftovers()
            violations.add(.fileLeft, count: files.count, files.prefix(4).joined(separator: " "))
        } catch {
            violations.add(.fileLeft, "they cannot be listed: \(error)")
        }
        checkDescriptors(before: before, into: &violations)
    }

    /// Checks for ended children whose status was not collected, since they are in no other list.
    static func checkChildren(into violations: inout Violations) {
        var info = siginfo_t()
        guard waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 else {
            if errno != ECHILD { violations.add(.processLeft, "children cannot be listed: errno \(errno)") }
            return
        }
        violations.add(.processLeft, "a child of the harness, running or not collected")
    }

    /// Compares the descriptors of this process with those it had.
    static func checkDescriptors(before: Int, into violations: inout Violations) {
        do throws(UVError) {
            guard let after = try OpenDescriptors.ofThisProcess() else { return }
            violations.add(.descriptorLeft, count: after - before, "\(before) before, \(after) after")
        } catch {
            violations.add(.descriptorLeft, "they cannot be listed: \(error)")
        }
    }

    /// Closes a loop; handles that are still open on it are reported, and closed.
    static func close(_ loop: Loop, into violations: inout Violations) {
        do throws(LoopStillOpen) {
            try loop.close()
        } catch {
            violations.add(.handleLeft, "\(error)")
            loop.closeHandles()
            loop.run()
            do throws(LoopStillOpen) { try loop.close() } catch { violations.add(.handleLeft, "for good: \(error)") }
        }
    }

    private static func checkProcesses(
        _ run: RunDirectory, _ grace: Duration, into violations: inout Violations,
    ) throws(UVError) {
        let deadline = SystemClock.monotonicTime + grace
        var processes = try run.processes()
        while !processes.isEmpty, SystemClock.monotonicTime < deadline {
            pause()
            processes = try run.processes()
        }
        for pid in processes {
            let arguments = ProcessDetails.arguments(of: pid)?.prefix(3).joined(separator: " ") ?? "?"
            violations.add(.processLeft, "\(pid): \(arguments)")
            // The process was found by the mark of this run, so it is the run's own.
            try? Processes.send(.kill, to: pid)
        }
    }

    private static func pause() {
        guard let loop = try? Loop() else { return }
        TimerHandle(on: loop).start(after: .milliseconds(50)) { $0.close() }
        loop.run()
        try? loop.close()
    }
}
