import Hummingbird
import Logging
import NIOCore
import UVKeeper

/// What is known beside a request: its connection, which a stream of events closes when the server ends.
struct DashboardContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The session that the path names.
    func session() throws(Refusal) -> SessionID { try SessionID(checking: parameters.get("id") ?? "") }
}
