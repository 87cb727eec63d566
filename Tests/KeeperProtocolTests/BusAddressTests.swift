import KeeperProtocol
import Testing

@Suite("Addresses of D-Bus") struct BusAddressTests {
    @Test(
        "the path of the first unix socket",
        arguments: [
            ("unix:path=/run/dbus/system_bus_socket", "/run/dbus/system_bus_socket"),
            ("unix:guid=0123,path=/a", "/a"), ("unix:path=/a,guid=0123", "/a"),
            ("tcp:host=x,port=1;unix:path=/b", "/b"), ("unix:path=/a%20b%2Cc", "/a b,c"), ("unix:path=/%c3%a9", "/é"),
        ])
    func finds(text: String, path: String) { #expect(BusAddress.paths(in: text) == [path]) }

    @Test("each address of a list has its path, in the list's order")
    func findsAll() {
        #expect(
            BusAddress.paths(in: "unix:path=/a,guid=1;unix:abstract=/x;tcp:host=h;;unix:path=/b;unix:path=/a")
                == ["/a", "/b", "/a"])
    }

    @Test(
        "other addresses name none",
        arguments: [
            "", ";", "unix:", "unix:path", "unix:path=", "unix:path=a", "unix:abstract=/a", "unix:tmpdir=/tmp",
            "tcp:path=/a", "/run/bus", "unix:path=/%", "unix:path=/%2", "unix:path=/%zz", "unix:path=/%00",
        ])
    func findsNone(text: String) { #expect(BusAddress.paths(in: text) == []) }
}
