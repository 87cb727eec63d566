/// A plot as inline SVG: lines over an axis, with faults marked.
struct Plot {
    struct Line {
        let name: String
        /// The class that gives it its colour: a, b or c.
        let style: String
        let points: [(x: Double, y: Double)]
    }

    let title: String
    let xLabel: String
    let yLabel: String
    var lines: [Line]
    /// The marked places, each with a text.
    var marks: [(x: Double, text: String)] = []
    var isLogarithmic = false
    /// The text of a number on an axis that shows other numbers than are plotted.
    var xText: (Double) -> String = { Texts.decimal($0) }
    var xTicks: [Double]?

    private static let width = 860.0
    private static let height = 260.0
    private static let left = 64.0
    private static let right = 32.0
    private static let bottom = 36.0
    private static let top = 14.0
    /// The number of marks above which they become short, since they would hide the lines.
    private static let markLimit = 40

    func svg() -> String {
        let points = lines.flatMap(\.points)
        guard let xMost = points.map(\.x).max(), let yMost = points.map(\.y).max(), points.count > 1 else {
            return "<h2>\(title)</h2><p>Nothing was measured.</p>"
        }
        let xLeast = points.map(\.x).min() ?? 0
        let yLeast = isLogarithmic ? max(0.001, points.map(\.y).filter { $0 > 0 }.min() ?? 0.001) : 0
        let x = { (value: Double) -> Double in
            Plot.left + (value - xLeast) / max(1e-9, xMost - xLeast) * (Plot.width - Plot.left - Plot.right)
        }
        let y = { (value: Double) -> Double in
            let part =
                isLogarithmic
                ? Plot.log(max(value, yLeast) / yLeast) / max(1e-9, Plot.log(yMost / yLeast)) : value / max(1e-9, yMost)
            return Plot.height - Plot.bottom - part * (Plot.height - Plot.bottom - Plot.top)
        }
        var parts = ["<h2>\(title)</h2><svg viewBox=\"0 0 \(Int(Plot.width)) \(Int(Plot.height))\" role=\"img\">"]
        parts.append("<title>\(title)</title>")
        let markEnd = marks.count > Plot.markLimit ? Plot.top : Plot.height - Plot.bottom
        for mark in marks where mark.x >= xLeast && mark.x <= xMost {
            let place = Plot.number(x(mark.x))
            parts.append(
                "<line class=\"mark\" x1=\"\(place)\" x2=\"\(place)\" y1=\"2\" "
                    + "y2=\"\(markEnd)\"><title>\(Plot.escaped(mark.text))</title></line>")
        }
        for value in isLogarithmic ? Plot.logarithmicTicks(yLeast, yMost) : Plot.ticks(0, yMost) {
            let place = Plot.number(y(value))
            parts.append(
                "<line class=\"grid\" x1=\"\(Plot.left)\" x2=\"\(Plot.width - Plot.right)\" y1=\"\(place)\" y2=\"\(place)\"/>"
                    + "<text x=\"\(Plot.left - 6)\" y=\"\(place)\" class=\"y\">\(Texts.decimal(value))</text>")
        }
        for value in xTicks ?? Plot.ticks(xLeast, xMost) where value <= xMost {
            parts.append(
                "<text x=\"\(Plot.number(x(value)))\" y=\"\(Plot.height - Plot.bottom + 16)\" class=\"x\">"
                    + "\(xText(value))</text>")
        }
        for line in lines where !line.points.isEmpty {
            let path = line.points.map { "\(Plot.number(x($0.x))),\(Plot.number(y($0.y)))" }.joined(separator: " ")
            parts.append("<polyline class=\"\(line.style)\" points=\"\(path)\"/>")
        }
        parts.append("</svg>")
        let legend = lines.map { "<span class=\"\($0.style)\">\($0.name)</span>" }.joined(separator: " ")
        parts.append("<p class=\"legend\">\(yLabel) over \(xLabel). \(legend)</p>")
        return parts.joined(separator: "\n")
    }

    /// Returns round numbers between two bounds, at most six.
    static func ticks(_ least: Double, _ most: Double) -> [Double] {
        let rough = max(1e-6, most - least) / 5
        let base = power(10, log(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * base }.first { $0 >= rough } ?? base
        return Array(stride(from: (least / step).rounded(.up) * step, through: most, by: step))
    }

    /// Returns the powers of ten between two numbers; for a range without two of them, its ends.
    static func logarithmicTicks(_ least: Double, _ most: Double) -> [Double] {
        let powers = Array(stride(from: log(least).rounded(.up), through: log(most).rounded(.down), by: 1))
        return powers.count > 1 ? powers.map { power(10, $0) } : [least, most]
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
