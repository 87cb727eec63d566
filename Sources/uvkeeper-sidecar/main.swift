import KeeperSidecar

KeeperSidecar.main()
