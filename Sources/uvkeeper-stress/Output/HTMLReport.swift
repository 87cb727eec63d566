/// One page that needs nothing else: figures and plots.
enum HTMLReport {
    static func page(_ result: RunResult) -> String { "" }
}
