internal import CLibUV

extension FileTail {
    /// Looks at the file and its path: now, or once the look that is under way has ended.
    func look() {
        guard let following, !isPaused else { return }
        switch following.activity {
        case .holding: return
        case .looking: following.activity = .looking(again: true)
        case .telling: following.activity = .telling(again: true)
        case .waiting:
            following.activity = .looking(again: false)
            let path = following.path
            let place = following.place
            do throws(UVError) {
                try loop.queueWork({ [followsLinks] in
                    TailLook(at: path, from: place, followingLinks: followsLinks, limit: FileTail.chunk)
                }) { [self] in looked($0) }
            } catch {
                trap("the pool's threads were made at the start, and cannot be made now: \(error)")
            }
        }
    }

    private func looked(_ look: TailLook) {
        // Nil or in another state if the tail was closed meanwhile.
        guard let following, case .looking(let again) = following.activity else { return }
        if isPaused {
            following.activity = .holding(look)
        } else {
            tell(look, again: again)
        }
    }

    /// Acts on the result of a look: watches the path as it is now, and tells the user.
    func tell(_ look: TailLook, again: Bool = false) {
        guard let following else { return }
        following.activity = .telling(again: again)
        following.place = look.place
        if case .bytes(let bytes) = look.found { following.untold = bytes.count }
        if let trace = look.trace, watch(trace, following) { following.activity = .telling(again: true) }
        following.note(look.found)
        while !following.events.isEmpty {
            following.onEvent(self, following.events.removeFirst())
            guard self.following === following else { return }
        }
        if case .bytes(let bytes) = look.found {
            guard !isPaused else {
                following.activity = .holding(look)
                return
            }
            following.untold = 0
            following.onBytes(self, bytes.span.bytes)
            guard self.following === following else { return }
        }
        goOn(following, look)
    }

    private func goOn(_ following: Following, _ look: TailLook) {
        guard case .telling(let again) = following.activity else { return }
        following.activity = .waiting
        switch look.found {
        case .bytes, .cut, .opened: self.look()
        case .end, .missing, .unusable: if again { self.look() }
        }
    }

    /// Updates the watches and the polling.
    ///
    /// - Returns: true if something is watched that was not before, so that the tail must look again.
    private func watch(_ trace: PathTrace, _ following: Following) -> Bool {
        let isNew = alwaysPolls ? false : following.watches.watch(trace, following.place)
        let silence = alwaysPolls ? "it was told to" : following.watches.silence
        guard silence != following.silence else { return isNew }
        let didPoll = following.silence != nil
        following.silence = silence
        if let silence {
            following.events.append(.polling(reason: silence))
            if !didPoll { startPolling() }
        } else {
            startTimerThatIsNeverDue()
        }
        return isNew
    }

    private func startPolling() {
        let interval = max(1, fallbackInterval.milliseconds)
        // Never fails: there is a callback, and the handle is not closing.
        _ = uv_timer_start(
            raw.timer,
            { raw in withHandle(raw!.pointee.data, as: FileTail.self) { $0.look() } },
            interval,
            interval,
        )
    }
}

extension FileTail.Following {
    /// Adds the events that follow from the result, unless they were told before.
    fileprivate func note(_ found: TailLook.Found) {
        switch found {
        case .bytes: break
        case .cut: events.append(.cut)
        case .end, .opened: if let identity = place?.identity { become(.open(identity), .opened(identity)) }
        case .missing: become(.missing, .missing)
        case .unusable(let error): become(.unusable(error), .unusable(error))
        }
    }

    private func become(_ new: FileTail.Situation, _ event: FileTail.Event) {
        guard situation != new else { return }
        situation = new
        events.append(event)
    }
}
