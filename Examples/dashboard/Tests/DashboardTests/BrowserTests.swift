import TestSupport
import Testing
import UVLoop

@Suite("The page in a browser", .enabled(if: Browser.executable != nil, "chromium is missing")) struct BrowserTests {
    @Test("a session is started, answers a line, and goes on without a hole when the server was killed") func resume()
        throws
    {
        try withBrowser { home, browser in
            try browser.open(home.server.address)
            try browser.until("document.querySelector('#connection')?.textContent === 'connected'")
            #expect(try browser.evaluate("location.href") == .string("\(home.server.origin)/"))
            #expect(try browser.evaluate("document.cookie") == "")
            try browser.until("!document.querySelector('#none').hidden")

            try browser.click("#new")
            try browser.fill("#new-dialog [name=id]", "count")
            try browser.fill("#new-dialog [name=command]", BrowserTests.counter)
            try browser.fill("#new-dialog [name=directory]", home.base)
            try browser.fill("#new-dialog [name=labels]", "of=test, kind=counter")
            try browser.press("Enter")
            try browser.until("document.querySelector('#name').textContent === 'count'")
            try browser.until("document.querySelector('#state').textContent === 'running'")
            #expect(try browser.evaluate("document.querySelector('#labels ul').textContent") == "kindcounteroftest")

            // The line has the focus.
            try browser.type("hello")
            try browser.press("Enter")
            try browser.until("\(output()).includes('1 hello')")
            try browser.until("document.querySelector('#outcome').textContent === 'Written.'")
            try browser.until("\(output("err")).includes('heard hello')")

            for round in 0..<2 {
                try browser.type("many-\(round)")
                try browser.press("Enter")
                try browser.until("document.querySelector('#outcome').textContent === 'Written.'")
                try browser.until("\(output()).includes('many-\(round)')")
                try home.server.end(by: .kill)
                try browser.until("document.querySelector('#connection').dataset.state !== 'connected'")
                // The rest of it comes while there is no server.
                try Posix.write("", to: "\(home.base)/go-many-\(round)")
                try run(home.loop) { Files.exists("\(home.base)/done-many-\(round)") }
                try home.restart()
                try browser.until("document.querySelector('#connection').dataset.state === 'connected'")
                try browser.type("after-\(round)")
                try browser.press("Enter")
                try browser.until("\(output()).includes('after-\(round)')")
            }
            let lines = try #require(browser.evaluate(output()).text).split(separator: "\n")
            let numbers = lines.compactMap { Int($0.prefix { $0 != " " }) }
            #expect(numbers == Array(1...(1 + 2 * 501)))
            #expect(try browser.evaluate("document.querySelectorAll('.mark').length") == 0)

            try browser.click("#stop")
            try browser.until("document.querySelector('#stop-dialog').open")
            try browser.press("Enter")
            try browser.until(
                "document.querySelector('#exit').textContent.startsWith('It was stopped, the end of its input')")
            #expect(try browser.evaluate("document.querySelector('#send').hidden") == true)
            let complaints = browser.complaints.filter { !$0.contains("net::ERR") }
            #expect(complaints.isEmpty, "\(complaints)")
        }
    }

    /// Numbers each line that it writes, over all that it is told; in the middle of many it waits for a file.
    private static let counter = """
        n=0; say() { n=$((n + 1)); echo "$n $1"; }; while read -r line; do echo "heard $line" >&2; case $line in \
        many*) i=0; while [ $i -lt 250 ]; do i=$((i + 1)); say "$line"; done; \
        until [ -e "go-$line" ]; do sleep 0.02; done; \
        while [ $i -lt 500 ]; do i=$((i + 1)); say "$line"; done; : >"done-$line";; \
        *) say "$line";; esac; done
        """

    @Test("output is text, whatever is in it, and no script comes from elsewhere") func text() throws {
        try withBrowser { home, browser in
            let markup = "<img src=x onerror='document.title=1'><script>document.title=2</script>"
            try home.start(
                "<b>".isEmpty ? "" : "markup", ["sh", "-c", "cat; :", markup], labels: ["<i>": .string(markup)])
            try browser.open(home.server.address + "#markup")
            try browser.open("\(home.server.origin)/#markup")
            try browser.until("document.querySelector('#name')?.textContent === 'markup'")
            _ = try home.send([markup], to: "markup")
            try browser.until("\(output()).includes('onerror')")
            #expect(try browser.evaluate("document.querySelectorAll('#session img, #session script').length") == 0)
            #expect(try browser.evaluate("document.title") == "markup – UVKeeper")
            #expect(browser.complaints.isEmpty, "\(browser.complaints)")
            // What a script of the page may not do, should one get in.
            let blocked = try browser.evaluate(
                """
                new Promise((done) => {
                  document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective))
                  const script = document.createElement('script')
                  try { script.textContent = 'document.title = 3' } catch { done('trusted types') }
                  document.head.append(script)
                })
                """)
            #expect(
                ["script-src-elem", "trusted types", "require-trusted-types-for"].contains(blocked.text), "\(blocked)")
            #expect(try browser.evaluate("document.title") == "markup – UVKeeper")
        }
    }

    @Test("the list goes by keyboard, and only the rows in sight are in the page") func list() throws {
        try withBrowser { home, browser in
            for number in 0..<24 { try home.start("s\(number + 10)", ["cat"]) }
            try browser.show(width: 900, height: 500)
            try browser.open(home.server.address)
            try browser.until("document.querySelector('#show span')?.textContent === '24'")
            try browser.until("document.querySelectorAll('.row').length > 0")
            #expect(try browser.evaluate("document.querySelectorAll('.row').length").number ?? 99 < 20)
            try browser.evaluate("document.querySelector('#list').focus()")
            try browser.press("ArrowDown")
            try browser.press("ArrowDown")
            try browser.press("Enter")
            try browser.until("document.querySelector('#name').textContent === 's32'")
            try browser.press("End")
            try browser.until("document.querySelector('.row.active .id')?.textContent === 's10'")
            #expect(
                try browser.evaluate(
                    "document.getElementById(document.querySelector('#list').getAttribute('aria-activedescendant')).ariaPosInSet"
                )
                    == "24")
            // Every control has a name, and what has the focus shows it.
            try browser.fill("#filter", "s1 cat")
            try browser.until("document.querySelectorAll('.row').length === 10")
            let unnamed = try browser.evaluate(
                """
                [...document.querySelectorAll('button, input, textarea')].filter((control) => !(control.textContent.trim()
                  || control.ariaLabel || control.labels?.length)).map((control) => control.outerHTML)
                """)
            #expect(unnamed == [])
            try browser.press("Tab")
            #expect(try browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid")
        }
    }

    @Test("it fits a phone, and the pictures of the documentation are of it") func pictures() throws {
        try withBrowser { home, browser in
            try Scene.make(in: home)
            try browser.open(home.server.address)
            try browser.until("document.querySelectorAll('.row').length === \(Scene.count)")
            try browser.open("\(home.server.origin)/#mail-agent")
            try browser.until("\(output()).includes('tests passed')")
            try browser.until("document.querySelector('#rows').textContent.includes('blocked')")
            try browser.until("!document.querySelector('#rows').textContent.includes('starting')")
            for (name, width, height, isPhone) in [
                ("light", 1200, 720, false), ("dark", 1200, 720, false), ("phone", 390, 780, true),
            ] {
                try browser.show(
                    width: width, height: height, isPhone: isPhone, theme: name == "dark" ? "dark" : "light")
                try browser.until("innerWidth === \(width)")
                try browser.until("document.querySelector('[data-stream=out] .output').scrollHeight > 0")
                #expect(try browser.evaluate("document.documentElement.scrollWidth <= innerWidth") == true, "\(name)")
                try Scene.keep(browser.screenshot(), as: name)
            }
            try browser.click("#back")
            try browser.until("!document.body.classList.contains('open')")
            #expect(try browser.evaluate("document.documentElement.scrollWidth <= innerWidth") == true)
            #expect(try browser.evaluate("document.activeElement.id") == "list")
            #expect(browser.complaints.isEmpty, "\(browser.complaints)")
        }
    }
}

/// What one stream of the page shows.
private func output(_ stream: String = "out") -> String {
    "document.querySelector('[data-stream=\(stream)] .output').textContent"
}

extension Browser {
    /// Puts a text into a field, as if it was typed.
    fileprivate func fill(_ selector: String, _ text: String) throws {
        try evaluate("document.querySelector(\(quoted(selector))).select()")
        try type(text)
    }
}

/// Runs `body` with a server and a browser.
func withBrowser(_ body: (DashboardHome, Browser) throws -> Void) throws {
    try withDashboard { home in
        let browser = try Browser(home: "\(home.base)/b", on: home.loop)
        do { try body(home, browser) } catch { Issue.record(error) }
        try browser.close()
    }
}
