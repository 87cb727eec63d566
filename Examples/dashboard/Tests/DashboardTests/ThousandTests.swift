import TestSupport
import Testing
import UVLoop

/// How many sessions are wanted for a measurement; nil: none.
private let wantedCount = ProcessEnvironment.current["UVKEEPER_DASHBOARD_SESSIONS"].flatMap { Int($0) }

/// Not a test but a measurement, made on request: `UVKEEPER_DASHBOARD_SESSIONS=1000`.
@Suite("Many sessions", .enabled(if: wantedCount != nil && Browser.executable != nil, "a measurement"))
struct ThousandTests {
    @Test("how long a page with many sessions takes") func measure() throws {
        try withBrowser { home, browser in
            let count = try #require(wantedCount)
            var rows: [(String, String)] = []
            func time(_ what: String, _ body: () throws -> Void) throws {
                let start = SystemClock.monotonicTime
                try body()
                rows.append((what, "\(SystemClock.monotonicTime - start)"))
            }
            try time("start them, one after the other") {
                for number in 0..<count {
                    try home.start("session-\(number)", ["cat"], labels: ["n": .string("\(number)")])
                }
            }
            var listed = 0
            try time("GET /api/sessions") { listed = try home.ask("GET", "/api/sessions").json.elements.count }
            #expect(listed == count)
            try time("open the page, until the first rows are drawn") {
                try browser.open(home.server.address)
                try browser.until("document.querySelectorAll('.row').length > 3")
            }
            // What the page does itself, a frame included.
            let filter = try browser.evaluate(
                """
                new Promise((done) => {
                  const start = performance.now()
                  const field = document.querySelector('#filter')
                  field.value = 'session-77'
                  field.dispatchEvent(new Event('input'))
                  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)))
                })
                """)
            rows.append(("filter, in ms, two frames included", "\(filter)"))
            try browser.evaluate(
                "(() => { const f = document.querySelector('#filter'); f.value = ''; f.dispatchEvent(new Event('input')) })()"
            )
            let scroll = try browser.evaluate(
                """
                new Promise((done) => {
                  const list = document.querySelector('#list')
                  const start = performance.now()
                  let frames = 0
                  const step = () => {
                    list.scrollTop += 2000
                    frames += 1
                    if (frames < 20) requestAnimationFrame(step); else done((performance.now() - start) / frames)
                  }
                  step()
                })
                """)
            rows.append(("scroll, ms a frame", "\(scroll)"))
            rows.append(("rows in the page", "\(try browser.evaluate("document.querySelectorAll('.row').length"))"))
            rows.append(("JS heap, bytes", "\(try browser.evaluate("performance.memory.usedJSHeapSize"))"))
            let figures = ProcessFigures(of: home.server.process.pid)
            let before = figures.processorTime
            try time("ten seconds of the page, open") {
                try browser.evaluate("new Promise((done) => setTimeout(done, 10000))")
            }
            if let before, let after = figures.processorTime {
                rows.append(("the server's processor time in them", "\(after - before)"))
            }
            rows.append(("the server's own memory, KiB", "\(figures.memory?.own ?? 0)"))
            for (what, value) in rows { print("  \(what): \(value)") }
        }
    }
}
