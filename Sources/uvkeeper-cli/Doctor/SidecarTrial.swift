import KeeperSidecar
import UVKeeper

/// A trial of the sidecar that sessions would be started with: it is asked for its version.
final class SidecarTrial {
    private static let check = "sidecar"
    private static let deadline = Duration.seconds(10)
    private static let longestAnswer = 4096

    private let path: String
    private var output: [UInt8] = []
    private var errors: [UInt8] = []
    private var status: ProcessExit?
    private var openStreams = 2
    private var timer: TimerHandle?
    private var child: ChildProcess?
    private var completion: ((Doctor.Finding) -> Void)?

    /// Looks for the sidecar and tries it; `completion` runs once, perhaps at once.
    static func run(on loop: Loop, completion: @escaping (Doctor.Finding) -> Void) {
        do throws(KeeperError) {
            let argv = try SidecarCommand.find().argv
            guard argv.count == 1 else {
                // A host program, or another's keeper, could take the question for the name of a session.
                let found = "\(argv.joined(separator: " ")) (a command of its own, not tried)"
                return completion(Doctor.Finding(check, .ok, found))
            }
            SidecarTrial(argv[0], completion).start(on: loop)
        } catch {
            completion(Doctor.Finding(check, .failed, ErrorText.of(error)))
        }
    }

    private init(_ path: String, _ completion: @escaping (Doctor.Finding) -> Void) {
        self.path = path
        self.completion = completion
    }

    private func start(on loop: Loop) {
        var environment = ProcessEnvironment.current
        // If the program is no sidecar after all, it must not make any files.
        environment["PI_KEEPER_SESSIONS_DIR"] = "/dev/null"
        environment["PI_DASHBOARD_HOME"] = "/dev/null"
        // The manager does the same: a static keeper looks for itself in /proc, and aborts if there is none.
        if !Files.exists("/proc/self/exe"), environment["SWIFT_ROOT"] == nil { environment["SWIFT_ROOT"] = "/" }
        let configuration = ChildProcess.Configuration(
            executable: path, arguments: ["--version"], environment: environment, stdio: [.ignore, .pipe, .pipe],
            flags: .detached)
        do throws(SpawnError) {
            let child = try ChildProcess(configuration, on: loop) { [self] _, status in
                self.status = status
                look()
            }
            self.child = child
            try listen(to: child, on: loop)
        } catch {
            end(.failed, ErrorText.of(error))
        }
    }

    private func listen(to child: ChildProcess, on loop: Loop) throws(SpawnError) {
        do throws(UVError) {
            for descriptor in 1...2 {
                try child.streams[descriptor]?.readStart(
                    onBytes: { [self] _, bytes in
                        let more = bytes.withUnsafeBytes { Array($0) }
                        if descriptor == 1 { output = add(more, to: output) } else { errors = add(more, to: errors) }
                    },
                    onEnd: { [self] stream, _ in
                        stream.close()
                        openStreams -= 1
                        look()
                    })
            }
            let timer = TimerHandle(on: loop)
            self.timer = timer
            timer.start(after: SidecarTrial.deadline) { [self] _ in
                status == nil ? end(.failed, "\(path) --version does not answer; it is no uvkeeper-sidecar") : answer()
            }
        } catch {
            throw .resources(error)
        }
    }

    private func add(_ more: [UInt8], to bytes: [UInt8]) -> [UInt8] {
        Array((bytes + more).prefix(SidecarTrial.longestAnswer))
    }

    private func look() {
        if status != nil, openStreams == 0 { answer() }
    }

    private func answer() {
        guard let status else { return }
        let line = SidecarTrial.firstLine(output)
        let words = line.utf8.split(separator: UInt8(ascii: " ")).map { String(Substring($0)) }
        guard words.first == SidecarCommand.executableName, words.count > 1, status == .exited(code: 0) else {
            let said = line.isEmpty ? SidecarTrial.firstLine(errors) : line
            let says = said.isEmpty ? "says nothing" : "says \"\(said)\""
            return end(
                .failed,
                "\(path) --version \(says) and \(status): it is no \(SidecarCommand.executableName) that works; set "
                    + "\(SidecarCommand.variable) to one")
        }
        let isOther = words[1] != KeeperSidecar.version
        end(
            isOther ? .warning : .ok,
            isOther ? "\(path) is version \(words[1]), and this command \(KeeperSidecar.version)" : "\(path): \(line)")
    }

    private static func firstLine(_ bytes: [UInt8]) -> String {
        RawText.string(Array(bytes.prefix { $0 != UInt8(ascii: "\n") }.prefix(200)))
    }

    private func end(_ state: Doctor.Finding.State, _ found: String) {
        guard let completion else { return }
        self.completion = nil
        timer?.close()
        if let child {
            for stream in child.streams { stream?.close() }
            // Processes that the sidecar has started end with it.
            do throws(UVError) { try child.killGroup(.kill) } catch {
                // The sidecar has ended.
            }
        }
        completion(Doctor.Finding(SidecarTrial.check, state, found))
    }
}
