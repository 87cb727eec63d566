// How states, ends, times and sizes are called.

/** What a session's state looks like: a name for colour and shape, a word, and its tone. */
export function appearance(session) {
  const { state, exit } = session
  switch (state) {
    case 'ended': {
      const isBad = exit.reason !== 'stopped' && exit.code !== 0
      return { state: isBad ? 'failed' : 'ended', word: endWord(exit), tone: isBad ? 'bad' : '', isOver: true }
    }
    case 'lost': return { state, word: 'lost', tone: 'bad', isOver: true }
    case 'blocked': return { state, word: 'blocked', tone: 'warn', isOver: false }
    case 'stopping': return { state, word: 'stopping', tone: 'warn', isOver: false }
    default: return { state, word: state, tone: '', isOver: false }
  }
}

function endWord(exit) {
  if (exit.reason === 'cannot-start') return 'no start'
  if (exit.reason === 'stopped') return 'stopped'
  if (exit.signal) return exit.signal
  return exit.code === null || exit.code === undefined ? 'ended' : `exit ${exit.code}`
}

const reasons = {
  exited: 'It ended by itself',
  stopped: 'It was stopped',
  'crashed-at-start': 'It ended right after its start',
  'cannot-start': 'Its program could not be started',
  'keeper-signalled': 'A signal to its keeper ended it',
  'keeper-lost': 'Its keeper was killed; how it ended is not known',
}

const steps = { eof: 'the end of its input was enough', term: 'SIGTERM was enough', kill: 'it took SIGKILL' }

/** How a session ended, in a sentence. */
export function endText(exit) {
  if (!exit) return 'Its keeper was killed; how it ended is not known.'
  const how = exit.signal ? `signal ${exit.signal}` : exit.code === null || exit.code === undefined ? '' : `exit code ${exit.code}`
  const parts = [reasons[exit.reason] ?? 'It has ended', steps[exit.by], how].filter(Boolean)
  return `${parts.join(', ')}, at ${new Date(exit.at).toLocaleString()}.`
}

/** How long ago, in one unit. */
export function since(time) {
  if (!time) return ''
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000)
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86400)} d`
}

/** A number of bytes. */
export function bytes(count) {
  if (count < 1024) return `${count} B`
  if (count < 1 << 20) return `${(count / 1024).toFixed(1)} KiB`
  return `${(count / (1 << 20)).toFixed(1)} MiB`
}

/** The text of labels, `name=value` with a separator between two, as an object. */
export function labels(text, separator) {
  const found = {}
  for (const part of text.split(separator).map((part) => part.trim()).filter(Boolean)) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(part) ?? []
    if (!name) throw new Error(`A label is name=value, not “${part}”.`)
    found[name.trim()] = value.trim()
  }
  return found
}
