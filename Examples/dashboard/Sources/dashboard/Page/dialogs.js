// The questions before a start, a stop and new labels.

import { ask, path } from './api.js'
import { commandText } from './list.js'
import { labels } from './words.js'

/** A dialog that stays open, with the reason, until what it is for has succeeded. */
class Question {
  #dialog
  #form
  #error
  #act
  #after

  constructor(id) {
    this.#dialog = document.querySelector(`#${id}`)
    this.#form = this.#dialog.querySelector('form')
    this.#error = this.#dialog.querySelector('.error')
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.answer()
    })
    this.#dialog.querySelector('[value=cancel]').addEventListener('click', () => this.#dialog.close())
  }

  field(name) { return this.#form.elements[name] }

  button(value) { return this.#dialog.querySelector(`[value=${value}]`) }

  /** `after` is given what `act` has come to, when the dialog has closed and given the focus back. */
  ask(about, act, after = () => {}) {
    const title = this.#dialog.querySelector('h2 span')
    if (title) title.textContent = about
    this.#error.textContent = ''
    this.#act = act
    this.#after = after
    this.#dialog.showModal()
  }

  async answer(how) {
    this.#error.textContent = ''
    const buttons = this.#form.querySelectorAll('button:not([value=cancel])')
    for (const button of buttons) button.disabled = true
    try {
      const value = await this.#act(how)
      this.#dialog.close()
      this.#after(value)
    } catch (error) {
      this.#error.textContent = error.message
    }
    for (const button of buttons) button.disabled = false
  }
}

const newQuestion = new Question('new-dialog')
const stopQuestion = new Question('stop-dialog')
const labelQuestion = new Question('label-dialog')

stopQuestion.button('now').addEventListener('click', () => stopQuestion.answer('now'))

/** Asks for a new session, like another one if there is one; `onStart` is given what was started. */
export function start(like, onStart) {
  const field = (name) => newQuestion.field(name)
  field('id').value = like?.id ?? ''
  field('command').value = like?.command ? commandText(like.command) : ''
  field('directory').value = like?.directory ?? ''
  field('labels').value = Object.entries(like?.labels ?? {}).map((pair) => pair.join('=')).join(', ')
  newQuestion.ask('', async () => ask('POST', '/api/sessions', {
    id: field('id').value.trim(),
    command: ['/bin/sh', '-c', field('command').value],
    directory: field('directory').value.trim() || undefined,
    labels: labels(field('labels').value, ','),
  }), onStart)
}

/** Asks how to stop a session, and stops it. */
export function stop(session) {
  const seconds = (name) => Number(stopQuestion.field(name).value)
  stopQuestion.ask(session.id, (how) => ask('POST', path(session.id, '/stop'), how === 'now'
    ? { endOfInput: 0, terminate: 0 }
    : { endOfInput: seconds('endOfInput'), terminate: seconds('terminate') }))
}

/** Asks for a session's labels, and sets them. */
export function label(session) {
  labelQuestion.field('labels').value = Object.entries(session.labels).map((pair) => pair.join('=')).join('\n')
  labelQuestion.ask(session.id, async () => {
    const wanted = labels(labelQuestion.field('labels').value, '\n')
    const removed = Object.keys(session.labels).filter((name) => !(name in wanted)).map((name) => [name, null])
    return ask('POST', path(session.id, '/labels'), { ...Object.fromEntries(removed), ...wanted })
  })
}
