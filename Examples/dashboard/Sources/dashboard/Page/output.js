// One stream of a session's output, as text and nothing else.

import { bytes } from './words.js'

/** How many characters of a stream the page keeps; the server has the rest. */
const MOST = 1_000_000

export class Output {
  #box
  #count
  /** The offset of the next byte; null before the first. */
  #next = null
  #length = 0
  #pending = []
  #isFollowing = true

  constructor(section) {
    this.#box = section.querySelector('.output')
    this.#count = section.querySelector('h3 span')
    this.#box.addEventListener('scroll', () => {
      const left = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight
      this.#isFollowing = left < 8
    })
  }

  /** Empties it: another session, or another life of it. */
  clear() {
    this.#next = null
    this.#length = 0
    this.#pending = []
    this.#isFollowing = true
    this.#box.replaceChildren()
    this.#count.textContent = 'nothing yet'
  }

  /** A piece at its offset. What was shown before is left out; a hole, which must not be, is shown as one. */
  add({ offset, length, text }) {
    if (this.#next !== null && offset < this.#next) return
    if (this.#next !== null && offset > this.#next) {
      this.mark(`${bytes(offset - this.#next)} are missing here: this is a fault of the page`, 'wrong')
    } else if (this.#next === null && offset > 0) {
      this.mark(`${bytes(offset)} before this are not shown`, 'quiet')
    }
    this.#next = offset + length
    this.#put(text)
  }

  gap({ from, to }) {
    if (this.#next !== null && to <= this.#next) return
    this.#next = to
    this.mark(`${bytes(to - from)} are gone: older than what is kept`)
  }

  /** A line about the output, not of it. */
  mark(text, kind = '') {
    const mark = document.createElement('span')
    mark.className = `mark ${kind}`
    mark.textContent = text
    this.#put(mark)
  }

  /** Once a frame, however many pieces come. */
  #put(piece) {
    this.#pending.push(piece)
    if (this.#pending.length === 1) requestAnimationFrame(() => this.#flush())
  }

  #flush() {
    const pieces = this.#pending
    this.#pending = []
    if (pieces.length === 0) return
    for (const piece of pieces) this.#length += piece.length ?? 0
    this.#box.append(...pieces)
    while (this.#length > MOST && this.#box.childNodes.length > 1) {
      const oldest = this.#box.firstChild
      if (oldest.nodeType === Node.TEXT_NODE) this.#length -= oldest.length
      oldest.remove()
    }
    if (this.#next !== null) this.#count.textContent = bytes(this.#next)
    if (this.#isFollowing) this.#box.scrollTop = this.#box.scrollHeight
  }
}
