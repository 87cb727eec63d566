// The server's HTTP interface, as README.md describes it.

/** Asks the server; throws an Error whose message says what to do. */
export async function ask(method, path, body) {
  let answer
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch {
    throw new Error('The server does not answer; the sessions live on.'
      + (method === 'GET' ? '' : ' What was sent may have arrived.'))
  }
  const value = await answer.json()
  if (!answer.ok) throw new Error(value.error?.message ?? `The server says ${answer.status}.`)
  return value
}

export const path = (id, what = '') => `/api/sessions/${encodeURIComponent(id)}${what}`

/**
 * A stream of events that does not end with a connection, nor with a server.
 *
 * While a browser reconnects by itself it says where it stood, by Last-Event-ID. It gives up when a server refuses, for
 * instance one that is just ending; then this asks anew, and says it in the address. A page that nobody sees reads nothing: a
 * browser has six connections to a server, for all its tabs.
 */
export class Feed {
  #source
  #timer
  #lastID = ''
  #isClosed = false
  #address
  #handlers
  #onState

  /**
   * @param address from the id of the last event, '' at first, the address to read.
   * @param handlers by the name of an event, what is done with its data.
   * @param onState is told 'connected', 'connecting' or 'refused'.
   */
  constructor(address, handlers, onState = () => {}) {
    this.#address = address
    this.#handlers = handlers
    this.#onState = onState
    document.addEventListener('visibilitychange', this.#onVisibility)
    if (!document.hidden) this.#open()
  }

  #onVisibility = () => {
    this.#stop()
    if (!document.hidden) this.#open()
  }

  #open() {
    const source = new EventSource(this.#address(this.#lastID))
    this.#source = source
    source.onopen = () => this.#onState('connected')
    source.onerror = () => {
      if (this.#isClosed) return
      const isGivenUp = source.readyState === EventSource.CLOSED
      this.#onState(isGivenUp ? 'refused' : 'connecting')
      if (isGivenUp) this.#timer = setTimeout(() => this.#open(), 1000)
    }
    for (const [name, handle] of Object.entries(this.#handlers)) {
      source.addEventListener(name, (event) => {
        if (this.#isClosed) return
        if (event.lastEventId) this.#lastID = event.lastEventId
        handle(JSON.parse(event.data))
      })
    }
  }

  #stop() {
    clearTimeout(this.#timer)
    this.#source?.close()
  }

  close() {
    this.#isClosed = true
    document.removeEventListener('visibilitychange', this.#onVisibility)
    this.#stop()
  }
}
