// The page: a list of sessions that is kept up to date, and one of them beside it.

import { Feed } from './api.js'
import * as dialogs from './dialogs.js'
import { List } from './list.js'
import { SessionPane } from './session.js'
import { appearance } from './words.js'

const sessions = new Map()
/** The name of the session that is shown. */
let opened = null

// The address names the session, so that the way back, a bookmark and a reload lead to it.
const list = new List((id) => { location.hash = encodeURIComponent(id) })

const pane = new SessionPane({
  onStop: dialogs.stop,
  onLabel: dialogs.label,
  onAgain: (session) => dialogs.start(session, openStarted),
  onBack: () => { location.hash = '' },
})

document.querySelector('#new').addEventListener('click', () => dialogs.start(null, openStarted))
window.addEventListener('hashchange', show)

new Feed(() => '/api/events', {
  all: (all) => {
    sessions.clear()
    for (const session of all) sessions.set(session.id, session)
    changed()
  },
  changes: (changes) => {
    for (const session of changes.sessions) sessions.set(session.id, session)
    for (const id of changes.removed) sessions.delete(id)
    changed()
  },
}, (state) => {
  const connection = document.querySelector('#connection')
  connection.dataset.state = state
  connection.textContent = {
    connected: 'connected', connecting: 'reconnecting…', refused: 'refused; open the printed address',
  }[state]
})

function openStarted(session) {
  sessions.set(session.id, session)
  changed()
  location.hash = encodeURIComponent(session.id)
  // Now, so that its line can have the focus.
  show()
  document.querySelector('#line').focus()
}

function changed() {
  list.update(sessions)
  const live = [...sessions.values()].filter((session) => !appearance(session).isOver).length
  document.querySelector('#summary').textContent = `${live} live, ${sessions.size - live} ended`
  const session = sessions.get(opened)
  if (session) pane.update(session)
  else show()
}

/** Shows the session that the address names, as soon as it is known. */
function show() {
  const id = decodeURIComponent(location.hash.slice(1))
  const session = sessions.get(id) ?? null
  const before = opened
  opened = session?.id ?? null
  if (before === opened) return
  list.mark(opened)
  pane.open(session)
  // On a phone the list was hidden.
  if (opened === null) document.querySelector('#list').focus()
}
