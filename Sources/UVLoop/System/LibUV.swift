internal import CLibUV

/// Facts about the libuv that this program uses.
public enum LibUV {
    /// The version of the library loaded at run time, for instance `1.44.2`. Mirrors `uv_version_string`.
    public static var version: String {
        String(cString: uv_version_string())
    }

    /// The version of the header that this module was compiled against.
    public static var headerVersion: String {
        "\(UV_VERSION_MAJOR).\(UV_VERSION_MINOR).\(UV_VERSION_PATCH)"
    }
}
