import Hummingbird

/// The page's files, which are in the program.
enum Page {
    static func add(to router: Router<DashboardContext>) {
        add("", "text/html", PackageResources.index_html, to: router)
        add("style.css", "text/css", PackageResources.style_css, to: router)
        add("main.js", "text/javascript", PackageResources.main_js, to: router)
        add("api.js", "text/javascript", PackageResources.api_js, to: router)
        add("list.js", "text/javascript", PackageResources.list_js, to: router)
        add("session.js", "text/javascript", PackageResources.session_js, to: router)
        add("output.js", "text/javascript", PackageResources.output_js, to: router)
        add("dialogs.js", "text/javascript", PackageResources.dialogs_js, to: router)
        add("words.js", "text/javascript", PackageResources.words_js, to: router)
        add("icon.svg", "image/svg+xml", PackageResources.icon_svg, to: router)
    }

    private static func add(_ name: String, _ type: String, _ bytes: [UInt8], to router: Router<DashboardContext>) {
        let body = ByteBuffer(bytes: bytes)
        router.get(RouterPath(name)) { _, _ in
            Response(
                status: .ok, headers: [.contentType: "\(type); charset=utf-8"], body: ResponseBody(byteBuffer: body))
        }
    }
}
