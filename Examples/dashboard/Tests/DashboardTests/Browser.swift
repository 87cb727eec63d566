import Foundation
import TestSupport
import Testing
import UVLoop

/// A real headless Chromium, driven by its DevTools protocol over two pipes: messages of JSON, each ended by a zero byte.
final class Browser {
    /// The program's path; nil where there is none.
    static let executable: String? = {
        let directories = (ProcessEnvironment.current["PATH"] ?? "").split(separator: ":")
        for name in ["chromium", "chromium-browser", "google-chrome", "chrome"] {
            for directory in directories where Files.isExecutable("\(directory)/\(name)") {
                return "\(directory)/\(name)"
            }
        }
        return nil
    }()

    private let process: ChildProcess
    private let loop: Loop
    private var status: ProcessExit?
    private var received: [UInt8] = []
    private var answers: [Int: JSON] = [:]
    private var lastNumber = 0
    private var page: String?
    /// Exceptions, and what the browser complains of: what breaks the content security policy, for instance.
    private(set) var complaints: [String] = []

    /// - Parameter home: a directory for its files, removed by the caller.
    init(home: String, on loop: Loop) throws {
        self.loop = loop
        var ended: (ProcessExit) -> Void = { _ in }
        let arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--remote-debugging-pipe", "--user-data-dir=\(home)", "--disable-background-networking",
            "--disable-extensions",
            "--disable-sync", "--no-default-browser-check", "--hide-scrollbars", "about:blank",
        ]
        process = try ChildProcess(
            .init(
                executable: try #require(Browser.executable), arguments: arguments,
                stdio: [.ignore, .ignore, .ignore, .pipe, .pipe], flags: .detached), on: loop
        ) { ended($1) }
        ended = { [unowned self] in status = $0 }
        process.killWhenCanceled()
        try process.streams[4]?.readStart(
            onBytes: { [unowned self] _, bytes in bytes.withUnsafeBytes { take($0) } },
            onEnd: { stream, _ in stream.close() })
        let target = try command("Target.createTarget", ["url": "about:blank"])["targetId"]
        page = try command("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"].text
        for domain in ["Page", "Runtime", "Log", "Network"] { try command("\(domain).enable") }
        // A page that nobody sees reads nothing.
        try command("Page.bringToFront")
    }

    /// Ends it with all its processes.
    func close() throws {
        try command("Browser.close")
        try run(loop) { status != nil }
        for stream in process.streams { stream?.close() }
        process.close()
    }

    // MARK: The protocol

    @discardableResult
    func command(_ method: String, _ parameters: JSON = [:]) throws -> JSON {
        lastNumber += 1
        let number = lastNumber
        var message: [String: JSON] = ["id": .number(Double(number)), "method": .string(method), "params": parameters]
        if let page { message["sessionId"] = .string(page) }
        process.streams[3]?.write(try JSON.object(message).encoded + [0])
        try run(loop) { answers[number] != nil || status != nil }
        let removed = answers.removeValue(forKey: number)
        let answer = try #require(removed, "the browser has ended")
        try #require(answer["error"] == .null, "\(method): \(answer["error"])")
        return answer["result"]
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        received += bytes
        while let end = received.firstIndex(of: 0) {
            guard let message = try? JSON(received[..<end]) else { return complaints.append("no JSON") }
            received.removeSubrange(...end)
            if let number = message["id"].number { answers[number] = message } else { note(message) }
        }
    }

    private func note(_ event: JSON) {
        switch event["method"].text {
        case "Runtime.exceptionThrown":
            let details = event["params"]["exceptionDetails"]
            complaints.append("\(details["text"].text ?? "") \(details["exception"]["description"].text ?? "")")
        case "Log.entryAdded" where event["params"]["entry"]["level"] == "error":
            complaints.append(event["params"]["entry"]["text"].text ?? "")
        default: break
        }
    }

    // MARK: The page

    /// Opens an address.
    func open(_ address: String) throws { try command("Page.navigate", ["url": .string(address)]) }

    /// The value of an expression; of a promise, what it comes to.
    @discardableResult
    func evaluate(_ expression: String) throws -> JSON {
        let result = try command(
            "Runtime.evaluate", ["expression": .string(expression), "awaitPromise": true, "returnByValue": true])
        try #require(result["exceptionDetails"] == .null, "\(expression): \(result["exceptionDetails"])")
        return result["result"]["value"]
    }

    /// Waits until an expression is true.
    func until(_ condition: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let deadline = SystemClock.monotonicTime + hangTimeout
        // A promise of the page does not outlive a navigation, and a second one at a time is enough.
        let look = """
            new Promise((done) => {
              const end = Date.now() + 1000
              const look = () => (\(condition)) ? done(true) : Date.now() > end ? done(false) : setTimeout(look, 10)
              look()
            })
            """
        while true {
            if (try? evaluate(look)) == true { return }
            guard SystemClock.monotonicTime < deadline else {
                Issue.record("it did not come to pass that \(condition)", sourceLocation: sourceLocation)
                return
            }
        }
    }

    /// Clicks in the middle of an element.
    func click(_ selector: String) throws {
        let place = try evaluate(
            """
            (() => {
              const box = document.querySelector(\(quoted(selector))).getBoundingClientRect()
              return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]
            })()
            """
        ).elements
        for type: JSON in ["mousePressed", "mouseReleased"] {
            try command(
                "Input.dispatchMouseEvent",
                ["type": type, "x": place[0], "y": place[1], "button": "left", "clickCount": 1])
        }
    }

    /// Types a text into what has the focus.
    func type(_ text: String) throws { try command("Input.insertText", ["text": .string(text)]) }

    /// Presses a key: Enter, Tab, ArrowDown.
    func press(_ key: String) throws {
        let codes = ["Enter": 13, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Escape": 27]
        let code = JSON.number(Double(codes[key] ?? 0))
        var down: [String: JSON] = ["type": "rawKeyDown", "key": .string(key), "windowsVirtualKeyCode": code]
        if key == "Enter" { down.merge(["type": "keyDown", "text": "\r"]) { $1 } }
        try command("Input.dispatchKeyEvent", .object(down))
        try command("Input.dispatchKeyEvent", ["type": "keyUp", "key": .string(key), "windowsVirtualKeyCode": code])
    }

    /// The size of the window, and the theme.
    func show(width: Int, height: Int, isPhone: Bool = false, theme: String = "light") throws {
        try command(
            "Emulation.setDeviceMetricsOverride",
            [
                "width": .number(Double(width)), "height": .number(Double(height)), "deviceScaleFactor": 1,
                "mobile": .bool(isPhone),
            ])
        try command(
            "Emulation.setEmulatedMedia",
            ["features": [["name": "prefers-color-scheme", "value": .string(theme)]]])
    }

    /// A picture of the window, as PNG.
    func screenshot() throws -> [UInt8] {
        let data = try command("Page.captureScreenshot", ["format": "png"])["data"].text
        let png = data.flatMap { Data(base64Encoded: $0) }
        return [UInt8](try #require(png))
    }
}

/// A text as JavaScript writes it.
func quoted(_ text: String) -> String { String(decoding: (try? JSON.string(text).encoded) ?? [], as: UTF8.self) }
