// One session: what it is, its output, and lines for its input.

import { ask, path, Feed } from './api.js'
import { commandText } from './list.js'
import { Output } from './output.js'
import { appearance, bytes, endText, since } from './words.js'

const part = (id) => document.querySelector(`#${id}`)

/** What of the output is read at first; what is older can be had with `from=start`. */
const FIRST = 'last:262144'

export class SessionPane {
  #session = null
  #feed = null
  #out = new Output(document.querySelector('[data-stream=out]'))
  #err = new Output(document.querySelector('[data-stream=err]'))

  constructor({ onStop, onLabel, onAgain, onBack }) {
    part('stop').addEventListener('click', () => onStop(this.#session))
    part('label').addEventListener('click', () => onLabel(this.#session))
    part('again').addEventListener('click', () => onAgain(this.#session))
    part('back').addEventListener('click', onBack)
    part('send').addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    part('line').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault()
        this.#send()
      }
    })
    setInterval(() => this.#session && this.#drawFacts(), 10_000)
  }

  /** Opens a session, or none. */
  open(session) {
    this.#feed?.close()
    this.#feed = null
    this.#session = session
    part('nothing').hidden = session !== null
    part('session').hidden = session === null
    document.body.classList.toggle('open', session !== null)
    document.title = session ? `${session.id} – UVKeeper` : 'UVKeeper'
    if (!session) return
    this.#tell('')
    this.#read()
    this.#draw()
    // Its keeper is asked now, whoever's turn it is.
    ask('GET', path(session.id)).then((now) => this.update(now), () => {})
  }

  /** Something has become of the session. */
  update(session) {
    if (session.id !== this.#session?.id) return
    const isAnew = session.epoch !== this.#session.epoch
    this.#session = session
    if (isAnew && !this.#feed) this.#read()
    this.#draw()
  }

  // Output

  #read() {
    const id = this.#session.id
    this.#out.clear()
    this.#err.clear()
    this.#feed?.close()
    this.#feed = new Feed((last) => path(id, `/output?from=${encodeURIComponent(last || FIRST)}`), {
      out: (piece) => this.#out.add(piece),
      err: (piece) => this.#err.add(piece),
      gap: (gap) => (gap.stream === 'out' ? this.#out : this.#err).gap(gap),
      anew: () => {
        this.#out.clear()
        this.#err.clear()
        this.#out.mark('The session has begun anew.', 'quiet')
      },
      ended: () => {
        this.#feed?.close()
        this.#feed = null
      },
      failed: ({ message }) => this.#tell(message, true),
    })
  }

  // Input

  async #send() {
    const lines = part('line').value.split('\n')
    // A text that ends with a newline has no further line.
    if (lines.length > 1 && lines.at(-1) === '') lines.pop()
    const { id } = this.#session
    const text = part('line').value
    part('line').value = ''
    this.#tell('…')
    try {
      const { outcomes } = await ask('POST', path(id, '/lines'), { lines })
      const others = outcomes.filter(({ outcome }) => outcome !== 'written')
      if (id !== this.#session?.id) return
      if (others.length === 0) this.#tell(lines.length === 1 ? 'Written.' : `${lines.length} lines written.`)
      else this.#tell(`${others.length} of ${lines.length}: ${others[0].outcome}. ${others[0].message ?? ''}`, true)
    } catch (error) {
      if (id !== this.#session?.id) return
      // Nothing was typed meanwhile.
      if (part('line').value === '') part('line').value = text
      this.#tell(error.message, true)
    }
  }

  #tell(text, isBad = false) {
    part('outcome').textContent = text
    part('outcome').className = isBad ? 'bad' : ''
  }

  // What it is

  #draw() {
    const session = this.#session
    const { state, word, isOver, tone } = appearance(session)
    part('name').textContent = session.id
    part('state').textContent = word
    part('state').dataset.state = state
    part('command').textContent = session.command ? commandText(session.command) : 'a command that was not recorded'
    part('stop').hidden = isOver
    part('again').hidden = !isOver || !session.command
    part('send').hidden = isOver
    part('exit').hidden = !isOver
    part('exit').className = tone
    part('exit').textContent = isOver ? endText(session.exit) : ''
    part('label').hidden = isOver
    part('labels').querySelector('ul').replaceChildren(...Object.entries(session.labels).map(([name, value]) => {
      const item = document.createElement('li')
      const key = document.createElement('b')
      key.textContent = name
      item.append(key, value)
      return item
    }))
    this.#drawFacts()
  }

  #drawFacts() {
    const session = this.#session
    const { isOver } = appearance(session)
    const facts = [
      ['started', session.startedAt && `${since(session.startedAt)} ago`],
      ['in', session.directory],
      ['process', !isOver && session.pid],
      ['lines in', !isOver && session.linesIn],
      ['waiting', !isOver && session.queuedBytes > 0 && bytes(session.queuedBytes)],
      ['does not read since', !isOver && session.blockedSince && `${since(session.blockedSince)}`],
      ['last output', !isOver && session.lastOutputAt && `${since(session.lastOutputAt)} ago`],
      ['kept', session.output && `${kept(session.output.out)} + ${kept(session.output.err)}`],
    ]
    part('facts').replaceChildren(...facts.filter(([, value]) => value || value === 0).map(([name, value]) => {
      const fact = document.createElement('div')
      const term = document.createElement('dt')
      const text = document.createElement('dd')
      term.textContent = name
      text.textContent = value
      if (name === 'waiting' || name === 'does not read since') text.className = 'warn'
      fact.append(term, text)
      return fact
    }))
  }
}

const kept = ({ start, end }) => bytes(end - start)
