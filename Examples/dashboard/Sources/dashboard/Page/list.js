// The list of sessions. Of a thousand, only the rows that are in sight are in the page.

import { appearance, since } from './words.js'

export class List {
  #list = document.querySelector('#list')
  #rows = document.querySelector('#rows')
  #filter = document.querySelector('#filter')
  #show = 'all'
  #sessions = new Map()
  /** Those that match, in their order. */
  #matching = []
  /** The elements of the rows in sight, by the session's name. */
  #elements = new Map()
  /** The row that the keys have come to, by its session's name. */
  #active = null
  #opened = null
  #onOpen
  #isDrawn = true

  constructor(onOpen) {
    this.#onOpen = onOpen
    this.#list.addEventListener('scroll', () => this.#drawSoon())
    this.#list.addEventListener('keydown', (event) => this.#key(event))
    this.#list.addEventListener('focus', () => this.#drawSoon())
    new ResizeObserver(() => this.#drawSoon()).observe(this.#list)
    this.#filter.addEventListener('input', () => this.#select())
    this.#filter.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowDown') { event.preventDefault(); this.#list.focus() }
    })
    for (const button of document.querySelectorAll('#show button')) {
      button.addEventListener('click', () => {
        this.#show = button.dataset.show
        for (const other of document.querySelectorAll('#show button')) {
          other.setAttribute('aria-pressed', String(other === button))
        }
        this.#select()
      })
    }
    // Ages.
    setInterval(() => this.#drawSoon(), 10_000)
  }

  /** Shows these sessions: a Map by their names. */
  update(sessions) {
    this.#sessions = sessions
    this.#select()
  }

  /** Marks the session that is shown beside the list. */
  mark(id) {
    this.#opened = id
    if (id) this.#active = id
    this.#drawSoon()
  }

  // Which, and in which order: what lives first, then what began last.

  #select() {
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean)
    const counts = { all: 0, live: 0, over: 0 }
    this.#matching = []
    for (const session of this.#sessions.values()) {
      const group = appearance(session).isOver ? 'over' : 'live'
      counts.all += 1
      counts[group] += 1
      if (this.#show !== 'all' && this.#show !== group) continue
      if (words.length && !words.every((word) => textOf(session).includes(word))) continue
      this.#matching.push(session)
    }
    this.#matching.sort((a, b) => appearance(a).isOver - appearance(b).isOver
      || compare(b.startedAt ?? '', a.startedAt ?? '') || compare(a.id, b.id))
    for (const button of document.querySelectorAll('#show button')) {
      button.querySelector('span').textContent = counts[button.dataset.show]
    }
    document.querySelector('#none').hidden = counts.all > 0
    document.querySelector('#nomatch').hidden = counts.all === 0 || this.#matching.length > 0
    this.#list.hidden = this.#matching.length === 0
    this.#drawSoon()
  }

  // Drawing

  #drawSoon() {
    if (!this.#isDrawn) return
    this.#isDrawn = false
    requestAnimationFrame(() => {
      this.#isDrawn = true
      this.#draw()
    })
  }

  get #rowHeight() { return parseFloat(getComputedStyle(this.#list).getPropertyValue('--row')) }

  #draw() {
    const height = this.#rowHeight
    this.#rows.style.height = `${height * this.#matching.length}px`
    const first = Math.max(0, Math.floor(this.#list.scrollTop / height) - 4)
    const last = Math.min(this.#matching.length, Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / height) + 4)
    const inSight = new Map()
    for (let index = first; index < last; index += 1) {
      const session = this.#matching[index]
      const element = this.#elements.get(session.id) ?? this.#makeRow(session.id)
      this.#fill(element, session, index, height)
      inSight.set(session.id, element)
    }
    for (const [id, element] of this.#elements) if (!inSight.has(id)) element.remove()
    this.#elements = inSight
    const active = inSight.get(this.#active)
    if (active) this.#list.setAttribute('aria-activedescendant', active.id)
    else this.#list.removeAttribute('aria-activedescendant')
  }

  #makeRow(id) {
    const row = document.createElement('div')
    row.className = 'row'
    row.setAttribute('role', 'option')
    row.id = `row-${id}`
    for (const name of ['dot', 'id', 'how', 'what']) {
      const part = document.createElement('span')
      part.className = name
      row.append(part)
    }
    row.addEventListener('click', () => {
      this.#active = id
      this.#onOpen(id)
    })
    this.#rows.append(row)
    return row
  }

  #fill(row, session, index, height) {
    const { state, word, tone } = appearance(session)
    row.style.top = `${index * height}px`
    row.classList.toggle('active', session.id === this.#active)
    row.setAttribute('aria-selected', String(session.id === this.#opened))
    row.setAttribute('aria-setsize', String(this.#matching.length))
    row.setAttribute('aria-posinset', String(index + 1))
    const [dot, id, how, what] = row.children
    dot.dataset.state = state
    id.textContent = session.id
    how.textContent = state === 'running' ? since(session.startedAt) : word
    how.className = `how ${tone}`
    what.textContent = [Object.values(session.labels).join(' · '), shown(session.command)].filter(Boolean).join(' — ')
  }

  // Keys

  #key(event) {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / this.#rowHeight) - 1)
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }
    if (event.key in steps) {
      const at = this.#matching.findIndex((session) => session.id === this.#active)
      const wanted = at < 0 ? 0 : at + steps[event.key]
      this.#moveTo(Math.min(Math.max(0, wanted), this.#matching.length - 1))
    } else if ((event.key === 'Enter' || event.key === ' ') && this.#active) {
      this.#onOpen(this.#active)
    } else {
      return
    }
    event.preventDefault()
  }

  #moveTo(index) {
    const session = this.#matching[index]
    if (!session) return
    this.#active = session.id
    const height = this.#rowHeight
    const top = index * height
    if (top < this.#list.scrollTop) this.#list.scrollTop = top
    const bottom = top + height - this.#list.clientHeight
    if (bottom > this.#list.scrollTop) this.#list.scrollTop = bottom
    this.#drawSoon()
  }
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)

const shown = (command) => (command ? commandText(command) : '')

/** The command as one would type it: what the page has given to a shell is shown without it. */
export function commandText(command) {
  if (command.length === 3 && command[0] === '/bin/sh' && command[1] === '-c') return command[2]
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}

const textOf = (session) => [
  session.id, appearance(session).word, ...(session.command ?? []), ...Object.entries(session.labels).flat(),
].join(' ').toLowerCase()
