internal import CLibUV

extension FileTail {
    /// Looks at the file and the way to it, now or as soon as the look that is under way is over.
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
        // Closed meanwhile.
        guard let following, case .looking(let again) = following.activity else { return }
        if isPaused {
            following.activity = .holding(look)
        } else {
            tell(look, again: again)
        }
    }

    /// Goes on from what a look has found: watches what leads to the file now, and tells the user.
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

    /// True if something is watched that was not, for which the tail must look again.
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
        // Cannot fail: there is a callback, and the handle is not closing.
        _ = uv_timer_start(
            raw.timer,
            { raw in withHandle(raw!.pointee.data, as: FileTail.self) { $0.look() } },
            interval,
            interval,
        )
    }
}

extension FileTail.Following {
    /// Notes what must be told of what was found, unless it was told before.
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
