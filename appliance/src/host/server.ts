import { chmod, chown, lstat, mkdir, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { AppError } from '../errors/app-error.ts'
import type { Host } from './host.ts'
import { maxRequestBytes, requestSchema, verbs, type Verb } from './verbs.ts'

export interface ServerOptions {
  host: Pick<Host, 'verbs'>
  socketPath: string
  /** The group whose members may ask: the daemon's own, in which nobody else is. */
  group: number
  /** How long half a request may take. */
  requestMs?: number
  /** Answers at a time; more have to wait outside. */
  connections?: number
  log(line: string, cause?: unknown): void
}

/**
 * Opens the helper's door. Node cannot ask the kernel for the peer's uid, so the kernel itself holds the door: the socket lies
 * in a folder root:`group` 0750, and is root:`group` 0660. Both are made, then read back; a folder that is not root's own is refused.
 */
export async function serve(options: ServerOptions): Promise<Server> {
  const folder = dirname(options.socketPath)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const before = await lstat(folder)
  if (!before.isDirectory() || before.uid !== 0) {
    throw new AppError({ code: 'host-refused', detail: `The folder ${folder} is not root's.` })
  }
  await chmod(folder, 0o700)
  await rm(options.socketPath, { force: true })
  const server = createServer({ allowHalfOpen: true }, (socket) => void converse(socket, options))
  server.maxConnections = options.connections ?? 64
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(options.socketPath, resolve)
  await promise
  // nobody but root could enter until here
  await chown(options.socketPath, 0, options.group)
  await chmod(options.socketPath, 0o660)
  await chown(folder, 0, options.group)
  await chmod(folder, 0o750)
  const [door, room] = [await lstat(options.socketPath), await lstat(folder)]
  if ((door.mode & 0o777) !== 0o660 || (room.mode & 0o777) !== 0o750 || door.gid !== options.group) {
    server.close()
    throw new AppError({ code: 'host-refused', detail: 'The socket could not be closed to strangers.' })
  }
  return server
}

async function converse(socket: Socket, options: ServerOptions): Promise<void> {
  socket.on('error', () => socket.destroy())
  const answer = await readLine(socket, options.requestMs ?? 5000)
    .then((line) => obey(options.host, line))
    .then((ok) => ({ ok }))
    .catch((error: unknown) => {
      const known = error instanceof AppError ? error : new AppError({ code: 'internal', detail: 'See the log.', cause: error })
      options.log(`refused: ${known.code}`, known.cause)
      return { error: { code: known.code, detail: known.detail } }
    })
  if (socket.destroyed) return
  socket.end(`${JSON.stringify(answer)}\n`)
  // a caller that does not hang up, or does not read, must not keep a place for ever
  socket.setTimeout(options.requestMs ?? 5000, () => socket.destroy())
}

/** Carries out one line. Throws AppError `bad-input` for what is no request. */
export async function obey(host: Pick<Host, 'verbs'>, line: string): Promise<unknown> {
  const request = requestSchema.safeParse(parse(line))
  if (!request.success) throw refusal(request.error.issues)
  const { verb } = request.data
  const argument = verbs[verb].safeParse(request.data.argument)
  if (!argument.success) throw refusal(argument.error.issues, verb)
  // each verb was parsed by its own schema
  return await (host.verbs[verb] as (value: unknown) => Promise<unknown>)(argument.data)
}

function readLine(socket: Socket, limitMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const parts: Buffer[] = []
  let bytes = 0
  const fail = (detail: string): void => reject(new AppError({ code: 'bad-input', detail }))
  const timer = setTimeout(() => fail('The request did not end in time.'), limitMs)
  const onData = (part: Buffer): void => {
    const end = part.indexOf(10)
    bytes += end === -1 ? part.length : end
    if (bytes > maxRequestBytes) {
      socket.off('data', onData).resume()
      parts.length = 0
      return fail('The request is too large.')
    }
    parts.push(end === -1 ? part : part.subarray(0, end))
    if (end === -1) return
    socket.off('data', onData).resume()
    resolve(Buffer.concat(parts).toString('utf8'))
  }
  socket.on('data', onData)
  socket.on('end', () => fail('The request ended in the middle.'))
  socket.on('close', () => fail('The caller went away.'))
  return promise.finally(() => clearTimeout(timer))
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Names the place, never the value. */
function refusal(issues: readonly { path: readonly PropertyKey[] }[], verb?: Verb): AppError {
  const pointer = (issues[0]?.path ?? []).map((key) => `/${String(key).slice(0, 40)}`).join('')
  return new AppError({
    code: 'bad-input',
    detail: `${verb ?? 'The request'} is not valid${pointer === '' ? '' : ` at ${pointer}`}.`,
  })
}
