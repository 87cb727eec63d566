import KeeperSidecar
import UVKeeper

// A server for tests that need a process of their own: its death, its limits, its privileges.
KeeperSidecar.runIfRequested()

let arguments = Array(CommandLine.arguments.dropFirst())
switch arguments.first {
case "find": Host.find()
case "spawn": try Host.spawn(Array(arguments.dropFirst()))
case "reap": try Host.reap(Array(arguments.dropFirst()))
case "starve": try Host.starve(Array(arguments.dropFirst()))
case "read": try Host.read(Array(arguments.dropFirst()))
case "blind": try Host.blind(Array(arguments.dropFirst()))
case "bereave": try Host.bereave(Array(arguments.dropFirst()))
case "listen": try Host.listen(arguments[1])
case "stranger": try Host.stranger(arguments[1])
case "unprivileged": try Host.unprivileged(Array(arguments.dropFirst()))
case "lock": try Host.lock(arguments[1])
case "stubborn": Host.stubborn()
case "rooted": Host.rooted()
case "survivor": try Host.survivor(Array(arguments.dropFirst()))
case "stop": try Host.stop(Array(arguments.dropFirst()))
case "send": try Host.send(Array(arguments.dropFirst()))
case "replaced": Host.replaced()
case "bad-literal": try Host.misnameSession()
case "descriptors": try Host.descriptors(Array(arguments.dropFirst()))
case "crowd": try Host.crowd(Array(arguments.dropFirst()))
case "bereave-at-rest": try Host.bereaveAtRest(Array(arguments.dropFirst()))
case "parent": try Host.parent(Array(arguments.dropFirst()))
case "leave": try Host.leave(Array(arguments.dropFirst()))
default: StandardStreams.writeError("keeper-host: see main.swift\n")
}
