import UVKeeper

func adoptOrStart(in directory: String) throws {
    let loop = try Loop()
    var options = KeeperManager.Options()
    options.sessionsDirectory = directory
    let keepers = try KeeperManager(on: loop, options: options)
    keepers.open("work", in: "/tmp", .init(command: ["cat"], output: .kept(bytes: 1 << 20))) { result in
        switch result {
        case .success(let opened):
            switch opened.way {
            case .adopted: print("adopted")
            case .started: print("started")
            }
        case .failure(let error): print(error)
        }
        keepers.close()  // the session lives on
    }
    loop.run()
    try loop.close()
}
