/// Where the server is.
enum Place {
    /// The address that it listens on: nobody but this machine reaches it.
    static let address = "127.0.0.1"
    /// The names by which this machine may call it.
    static let names: Set<String> = [address, "localhost"]
    /// In the query of the printed address.
    static let tokenParameter = "token"

    /// The address that a browser opens.
    static func url(port: Int, _ token: Token) -> String {
        "http://\(address):\(port)/?\(tokenParameter)=\(token.text)"
    }
}
