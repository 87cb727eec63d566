#if Service
public import CoreMetrics
public import ServiceLifecycle
public import UVKeeper
public import UVKeeperAsync
public import UVLoopAsync

/// The sessions of one directory as a service of swift-service-lifecycle, with figures for swift-metrics.
///
/// Name it before the services that use it: a `ServiceGroup` ends its services in the reverse order. When it runs it adopts the
/// sessions that live. A graceful shutdown ends it in this order: no new work is taken, lines and questions that wait get
/// ``Settings/finishingTime``, connections close. The sessions live on, and the next run adopts them.
///
/// There are no spans of swift-distributed-tracing: a line is bytes, with no place for a trace's context, so a span could tell
/// no more than one around ``UVKeeperAsync/KeptSession/request(_:within:)`` in the host's own code, and everybody would resolve
/// two more packages.
public struct KeeperService: Service {
    /// How it behaves.
    public struct Settings: Sendable {
        /// How long lines and questions that wait at a graceful shutdown may take.
        public var finishingTime = Duration.seconds(10)
        /// How often the figures that are states are told: sessions, lines that wait, the loop's lag.
        public var metricsInterval = Duration.seconds(10)
        /// Where figures go; nil: to the one that `MetricsSystem` was bootstrapped with.
        public var metrics: (any MetricsFactory)?

        /// The defaults.
        public init() {}
    }

    /// The sessions.
    public let keepers: Keepers
    private let settings: Settings
    private let metrics: KeeperMetrics

    /// Opens a directory of sessions, as ``UVKeeperAsync/Keepers/init(_:on:)`` does.
    ///
    /// - Parameter executor: whose loop to use; nil: one of its own.
    public init(
        _ options: Keepers.Options = Keepers.Options(), on executor: LoopExecutor? = nil,
        settings: Settings = Settings(),
    ) async throws(KeeperError) {
        let metrics = KeeperMetrics(settings.metrics ?? MetricsSystem.factory)
        var options = options
        let onMeasurement = options.onMeasurement
        options.onMeasurement = {
            metrics.note($0)
            onMeasurement?($0)
        }
        keepers = try await Keepers(options, on: executor)
        self.settings = settings
        self.metrics = metrics
    }

    /// Adopts the sessions that live, and waits for a graceful shutdown, or for its task's cancellation, which ends it at once.
    ///
    /// - Throws: why the sessions directory cannot be used.
    public func run() async throws {
        do throws(KeeperError) {
            _ = try await keepers.discover()
        } catch {
            await keepers.close()
            guard error == .closed, Task.isCancelled else { throw error }
            return
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await sample() }
            do { try await gracefulShutdown() } catch {
                // Canceled: `finish` waits for nothing then.
            }
            metrics.note(await keepers.figures(), nil)
            await keepers.finish(within: settings.finishingTime)
            group.cancelAll()
        }
    }

    /// Until the task is canceled, or the loop has ended.
    private func sample() async {
        while true {
            metrics.note(await keepers.figures(), await keepers.takeLoopHealth())
            do { try await keepers.executor.clock.sleep(for: settings.metricsInterval) } catch { return }
        }
    }
}
#endif
