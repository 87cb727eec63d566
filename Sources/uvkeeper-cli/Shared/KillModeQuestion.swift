import KeeperProtocol
import UVKeeper

/// The question for a service's `KillMode`, asked by way of `systemctl show`. A keeper that stays in its service by its
/// scope's policy has not asked, and takes the service to have the default; one that has asked knows what it was then.
final class KillModeQuestion {
    /// The longest time for all questions of a command.
    private static let longest = Duration.seconds(1)
    private static let longestAnswer = 64

    private let child: ChildProcess
    private let timer: TimerHandle
    private var answer: [UInt8] = []
    private var completion: ((String?) -> Void)?

    /// Asks the service manager that made a control group; `completion` runs once, perhaps at once.
    ///
    /// - Parameters:
    ///   - end: the time at which the manager counts as silent, on the monotonic clock.
    ///   - completion: gets nil if the group is not a service's, or the manager does not answer.
    static func ask(
        of group: ControlGroup, until end: Duration = SystemClock.monotonicTime + longest, on loop: Loop,
        _ completion: @escaping (String?) -> Void,
    ) {
        guard case .service(let unit) = group.unit, SystemClock.monotonicTime < end else { return completion(nil) }
        var environment = ProcessEnvironment.current
        var arguments = ["show", "--property=KillMode", "--value", "--", unit]
        if let user = group.managingUser {
            // Another user's manager does not answer.
            guard user == CurrentProcess.userID else { return completion(nil) }
            arguments.insert("--user", at: 0)
            // The variable may be empty, or another user's after sudo.
            let directory = "/run/user/\(user)"
            if Files.exists(directory) { environment["XDG_RUNTIME_DIR"] = directory }
        }
        let configuration = ChildProcess.Configuration(
            executable: "systemctl", arguments: arguments, environment: environment,
            stdio: [.ignore, .pipe, .ignore], flags: .detached)
        do throws(SpawnError) {
            _ = try KillModeQuestion(configuration, until: end, on: loop, completion)
        } catch {
            // The system has no systemctl, or too few resources for it.
            completion(nil)
        }
    }

    /// Completes the places of sessions that are in a service: by the `KillMode` that it has now, asked for once each, whatever
    /// it was when their keepers started. `completion` runs once, perhaps at once.
    static func complete(
        _ places: [SessionPlace], until end: Duration = SystemClock.monotonicTime + longest, on loop: Loop,
        _ completion: @escaping ([SessionPlace]) -> Void,
    ) {
        let groups = places.map { place in
            place.controlGroup.flatMap { ControlGroup("0::\($0)\n") }.flatMap { $0.services.isEmpty ? nil : $0 }
        }
        guard let group = groups.lazy.compactMap({ $0 }).first else { return completion(places) }
        ask(of: group, until: end, on: loop) { killMode in
            // The sessions of the same service have their answer, too.
            let isSame = groups.map { $0?.unit == group.unit && $0?.managingUser == group.managingUser }
            var done = places
            for (index, other) in groups.enumerated() where isSame[index] && killMode != nil {
                let answer = SessionPlace(other, killMode: killMode)
                // A session in a pid namespace of its own ends with the service if others do, but may not survive it.
                if answer.survivesServiceStop == true, places[index].survivesServiceStop == nil { continue }
                done[index] = answer
            }
            let rest = places.indices.filter { !isSame[$0] }
            complete(rest.map { places[$0] }, until: end, on: loop) { answers in
                for (index, answer) in zip(rest, answers) { done[index] = answer }
                completion(done)
            }
        }
    }

    private init(
        _ configuration: ChildProcess.Configuration, until end: Duration, on loop: Loop,
        _ completion: @escaping (String?) -> Void
    ) throws(SpawnError) {
        child = try ChildProcess(configuration, on: loop) { _, _ in }
        timer = TimerHandle(on: loop)
        self.completion = completion
        // The closures keep this object until the end, which drops both.
        timer.start(after: max(.zero, end - SystemClock.monotonicTime)) { [self] _ in finish() }
        do throws(UVError) {
            try child.streams[1]?.readStart(
                onBytes: { [self] _, bytes in
                    answer += bytes.withUnsafeBytes { $0.prefix(KillModeQuestion.longestAnswer) }
                },
                onEnd: { [self] _, _ in finish() })
        } catch {
            loop.onNextTick { [self] in finish() }
        }
    }

    private func finish() {
        guard let completion else { return }
        self.completion = nil
        timer.close()
        child.streams[1]?.close()
        do throws(UVError) { try child.killGroup(.kill) } catch {
            // systemctl has ended.
        }
        child.close()
        let line = String(decoding: answer.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        completion(answer.contains(UInt8(ascii: "\n")) && !line.isEmpty ? line : nil)
    }
}
