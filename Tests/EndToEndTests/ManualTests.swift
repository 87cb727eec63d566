import TestSupport
import Testing
import UVKeeper

@Suite("uvkeeper's manual page") struct ManualTests {
    @Test("is made from the command's help, has every subcommand and its options, and groff has nothing against it")
    func page() throws {
        // From Tests/EndToEndTests/ManualTests.swift.
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        try expectScript(
            """
            command -v python3 > /dev/null || exit 0
            cd "$1" && "\(root)/scripts/make-man" "$2" > page || exit 2
            for name in spawn send request read attach list status wait eof signal label kill logs prune doctor export; do
                grep -q "^.SS uvkeeper $name\\$" page || exit 3
            done
            grep -q '^.SH OPTIONS OF EVERY SUBCOMMAND' page && [ "$(grep -c 'sessions...dir' page)" -lt 4 ] || exit 4
            grep -q 'follow.*fR$' page && grep -q 'uvkeeper read work .*last 4096' page || exit 5
            command -v groff > /dev/null || exit 0
            groff -man -Tascii -ww page 2> said > shown
            [ $? = 0 ] && [ ! -s said ] && grep -q 'uvkeeper wait' shown || exit 6
            "\(root)/scripts/make-man" /bin/false 2> /dev/null
            [ $? = 1 ]
            """)
    }
}
