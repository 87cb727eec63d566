import ArgumentParser
import UVKeeper

/// What everybody knows who may use the server.
struct Token: Sendable {
    static let variable = "UVKEEPER_DASHBOARD_TOKEN"
    static let fileName = "dashboard.token"
    static let fewestBytes = 16

    let text: String

    /// - Parameter origin: where it comes from, for the error.
    private init(_ text: String, from origin: String) throws {
        let isPlain = text.utf8.allSatisfy {
            UInt8(ascii: "!")...UInt8(ascii: "~") ~= $0 && !#";,"\%&+#="#.utf8.contains($0)
        }
        guard isPlain, text.utf8.count >= Token.fewestBytes else {
            throw ValidationError(
                "the token of \(origin) has fewer than \(Token.fewestBytes) bytes, or others than letters, digits and "
                    + "- . _ ~; without one, the server makes one by itself")
        }
        self.text = text
    }

    /// The token that was given, else the environment's, else the one in the sessions directory, which is made if it is not
    /// there: a browser that was let in stays in when the server is started again.
    static func find(_ given: String?, inDirectory directory: String) throws -> Token {
        if let given { return try Token(given, from: "--token") }
        if let text = ProcessEnvironment.current[variable] { return try Token(text, from: variable) }
        let path = "\(directory)/\(fileName)"
        if let token = try read(path) { return token }
        do throws(UVError) {
            try Files.makeDirectory(at: directory)
            try make(path)
        } catch {
            throw UnusableFile(path: path, error: error)
        }
        guard let token = try read(path) else { throw UVError.noEntry }
        return token
    }

    private static func read(_ path: String) throws -> Token? {
        let bytes: [UInt8]
        do throws(UVError) {
            let file = try OpenFile(path, .readOnly)
            defer { file.close() }
            bytes = try file.read(limit: 1024)
        } catch {
            guard error == .noEntry else { throw UnusableFile(path: path, error: error) }
            return nil
        }
        // An editor, or `echo`, has put a newline at its end.
        let text = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
        return try Token(String(decoding: text, as: UTF8.self), from: path)
    }

    private struct UnusableFile: Error, CustomStringConvertible {
        let path: String
        let error: UVError

        var description: String {
            "cannot use \(path): \(error); let this user read and write it, or give a token: --token, \(Token.variable)"
        }
    }

    /// Makes the file, whole at once; of several servers at a time, the first one's stays.
    private static func make(_ path: String) throws(UVError) {
        let random = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
        let temporary = "\(path).\(CurrentProcess.id).tmp"
        let file = try OpenFile(temporary, .createNew)
        defer { file.close() }
        try file.write(Array(random.utf8))
        do throws(UVError) { try Files.link(temporary, to: path) } catch { guard error == .exists else { throw error } }
        try Files.unlink(temporary)
    }

    /// The name of the cookie that holds it: a browser has one for each server, as they all get each other's, whatever the port.
    var cookieName: String {
        // FNV-1a: not a secret, only another one for each token.
        let hash = text.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return "uvkeeper_\(String(hash, radix: 36))"
    }

    /// True for the same text. The time that this takes does not tell where two texts differ.
    func matches(_ guess: some StringProtocol) -> Bool {
        let guess = Array(guess.utf8)
        let own = Array(text.utf8)
        var difference = guess.count ^ own.count
        for (index, byte) in own.enumerated() {
            difference |= Int(byte ^ (index < guess.count ? guess[index] : 0))
        }
        return difference == 0
    }
}
