import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { connect, createServer as createTcp, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Access, Caller } from './access.ts'
import { checkParams, type Given } from './check-params.ts'
import { consoleUpgrade } from './console.ts'
import { WithSiblings, type Context, type Routes, type Upload } from './context.ts'
import type { Fault } from './faults.ts'
import { readUpload } from './multipart.ts'
import { badParameter, died, Refusal } from './refusal.ts'
import { findRoute } from './schema.ts'
import type { World } from './world.ts'

/** One line of the log of what the stand-in was asked. */
export interface Asked {
  node: string
  verb: string
  path: string
  caller: string
  status: number
  fault: Fault['kind'] | undefined
  /** Parameters as the server read them, without those of the path's own node. */
  given?: Given
}

export interface ServerOptions {
  world: World
  access: Access
  routes: Routes
  node: string
  certificate: { key: string; cert: string }
  /** For uploads under way. */
  folder: string
  log: Asked[]
  port?: number
}

/** A request on its way through the server. */
interface Question {
  verb: string
  path: string
  query: string
  asked: Asked
}

/** A 401 is held back so long at pace 1. */
const heldBackMs = 3000
const mostBody = 512 * 1024
const mostHeader = 8192

/** The API of one node over HTTPS, behind a TCP front that counts bytes and can refuse. */
export class PveServer {
  readonly #options: ServerOptions
  readonly #https: Server
  readonly #front: TcpServer
  readonly #sockets = new Set<Socket>()
  /** Bytes of decrypted requests that arrived: a wrong pin must leave this at 0. */
  requestBytes = 0
  port = 0
  #innerPort = 0
  #refusing = false

  constructor(options: ServerOptions) {
    this.#options = options
    this.#https = createServer(
      { ...options.certificate, maxHeaderSize: 2 * mostHeader, keepAliveTimeout: 5000 },
      (request, response) => {
        void this.#serve(request, response)
      },
    )
    this.#https.on('secureConnection', (socket) => socket.on('data', (chunk: Buffer) => (this.requestBytes += chunk.length)))
    this.#https.on('upgrade', (request: IncomingMessage, socket: Duplex) => this.#upgrade(request, socket))
    this.#https.on('tlsClientError', () => undefined)
    // requests that a client cuts short
    this.#https.on('clientError', (_, socket) => socket.destroy())
    this.#front = createTcp((socket) => this.#accept(socket))
  }

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#https.listen(0, '127.0.0.1', done))
    this.#innerPort = (this.#https.address() as AddressInfo).port
    await new Promise<void>((done) => this.#front.listen(this.#options.port ?? 0, '127.0.0.1', done))
    this.port = (this.#front.address() as AddressInfo).port
  }

  /** The node no longer answers: connections are reset, open ones cut. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing
    if (refusing) for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Ends connections that are kept, so that the next request needs a new one. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Another leaf from now on. */
  setCertificate(certificate: { key: string; cert: string }): void {
    this.#https.setSecureContext(certificate)
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#https.closeAllConnections()
    await Promise.all([new Promise((done) => this.#front.close(done)), new Promise((done) => this.#https.close(done))])
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    socket.setNoDelay(true)
    if (this.#refusing || !this.#isUp() || this.#options.world.faults.takeRefusal()) {
      socket.resetAndDestroy()
      return
    }
    const inner = connect(this.#innerPort, '127.0.0.1')
    inner.on('error', () => inner.destroy())
    inner.setNoDelay(true)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      inner.destroy()
    })
    inner.once('close', () => socket.destroy())
    socket.pipe(inner).pipe(socket)
  }

  #isUp(): boolean {
    return this.#options.world.nodes.get(this.#options.node)?.online === true
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { world, log, node } = this.#options
    const verb = request.method ?? 'GET'
    const [address = '', query = ''] = (request.url ?? '').split('?')
    const path = address.replace(/^\/api2\/json/, '')
    const asked: Asked = { node, verb, path, caller: '', status: 0, fault: undefined }
    log.push(asked)
    const headerBytes = request.rawHeaders.reduce((sum, text) => sum + text.length, 0)
    const length = Number(request.headers['content-length'] ?? 0)
    const raw = (request.headers['content-type'] ?? '').startsWith('multipart/')
    if (headerBytes > mostHeader || (!raw && length > mostBody)) return cut(request)
    const template = findRoute(verb, path)?.template ?? path
    await world.faults.serve(verb, template, () => this.#answer(request, response, { verb, path, query, asked }))
  }

  async #answer(request: IncomingMessage, response: ServerResponse, about: Question): Promise<void> {
    const { world } = this.#options
    const { asked } = about
    const before = world.faults.take('cut-before', 'answer')
    asked.fault = before?.kind
    if (before?.kind === 'cut-before') return cut(request)
    try {
      if (before !== undefined) throw refusalOf(before)
      const body = await this.#work(request, about)
      const after = world.faults.take('cut-after', 'answer-after')
      asked.fault = after?.kind ?? asked.fault
      if (after?.kind === 'cut-after') return cut(request)
      if (after !== undefined) throw refusalOf(after)
      asked.status = 200
      answer(response, 200, 'OK', JSON.stringify(body instanceof WithSiblings ? body.body : { data: body ?? null }))
    } catch (error) {
      const refusal =
        error instanceof Refusal ? error : died(`internal error: ${error instanceof Error ? error.stack : String(error)}`)
      asked.status = refusal.status
      if (refusal.status === 401) await world.wait(heldBackMs)
      request.resume()
      const message = refusal.status === 501 ? refusal.message : `${refusal.message}\n`
      const body = refusal.empty ? '' : JSON.stringify({ data: null, message, ...(refusal.fields && { errors: refusal.fields }) })
      answer(response, refusal.status, refusal.message, body)
    }
  }

  async #work(request: IncomingMessage, about: Question): Promise<unknown> {
    const { world, access, routes, node } = this.#options
    const { verb, path, asked } = about
    const body = await this.#readBody(request)
    const open = verb === 'POST' && path === '/access/ticket'
    const caller: Caller = open
      ? { user: '', token: undefined, id: '' }
      : access.authenticate(
          {
            authorization: request.headers.authorization,
            cookie: request.headers.cookie,
            csrf: String(request.headers['csrfpreventiontoken'] ?? ''),
          },
          verb,
        )
    asked.caller = caller.id
    const found = findRoute(verb, path)
    const handler = found === undefined ? undefined : routes[`${verb} ${found.template}`]
    if (found === undefined || handler === undefined) throw new Refusal(501, `Method '${verb} ${path}' not implemented`)
    const given: Given = { ...(verb === 'GET' || verb === 'DELETE' ? parseForm(about.query) : body.given), ...found.values }
    asked.given = given
    const errors = checkParams(found.method, given)
    if (Object.keys(errors).length > 0) throw badParameter(errors)
    const target = found.values['node']
    if (target !== undefined && target !== node) {
      const other = world.nodes.get(target)
      if (other === undefined) {
        throw died(
          `hostname lookup '${target}' failed - failed to get address info for: ${target}: Temporary failure in name resolution`,
        )
      }
      if (!other.online) throw new Refusal(595, 'No route to host', { empty: true })
    }
    const values = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]))
    access.check(caller, found.method.permissions?.check, values)
    const context: Context = { world, access, caller, verb, given, upload: body.upload }
    asked.fault = strikeVm(context, target ?? node)
    return await handler(context)
  }

  async #readBody(request: IncomingMessage): Promise<{ given: Given; upload: Upload | undefined }> {
    const type = request.headers['content-type'] ?? ''
    if (type.startsWith('multipart/')) {
      await mkdir(this.#options.folder, { recursive: true })
      const path = join(this.#options.folder, `pveupload-${randomBytes(8).toString('hex')}`)
      const file = createWriteStream(path)
      const hash = createHash('sha256')
      try {
        const { fields, name, sizeBytes, head } = await readUpload(request, type, (chunk) => {
          hash.update(chunk)
          return file.write(chunk) ? undefined : new Promise<void>((done) => file.once('drain', () => done()))
        })
        await new Promise<void>((done) => file.end(() => done()))
        return { given: { ...fields, filename: name }, upload: { name, sha256: hash.digest('hex'), sizeBytes, path, head } }
      } catch (error) {
        file.destroy()
        await rm(path, { force: true })
        throw error
      }
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString('utf8')
    if (type.startsWith('application/json')) return { given: fromJson(text), upload: undefined }
    return { given: parseForm(text), upload: undefined }
  }

  #upgrade(request: IncomingMessage, socket: Duplex): void {
    const { world, access, log, node } = this.#options
    const [path = '', query = ''] = (request.url ?? '').replace(/^\/api2\/json/, '').split('?')
    const asked: Asked = { node, verb: 'GET', path, caller: '', status: 101, fault: undefined }
    log.push(asked)
    try {
      const template = findRoute('GET', path)?.template ?? path
      const fault = world.faults.serve('GET', template, () =>
        world.faults.take('cut-before', 'answer', 'cut-after', 'answer-after'),
      )
      asked.fault = fault?.kind
      if (fault !== undefined) return void socket.destroy()
      const headers = { authorization: request.headers.authorization, cookie: request.headers.cookie, csrf: undefined }
      const caller = access.authenticate(headers, 'GET')
      asked.caller = caller.id
      consoleUpgrade({ world, access, caller, path, given: parseForm(query), request, socket })
    } catch (error) {
      asked.status = error instanceof Refusal ? error.status : 500
      const reason = error instanceof Error ? error.message : 'failed'
      socket.end(`HTTP/1.1 ${asked.status} ${reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    }
  }
}

/** Faults that others cause at a VM just before the work; each strikes only where it has an effect. */
function strikeVm({ world, given }: Context, node: string): Fault['kind'] | undefined {
  const newid = Number(given['newid'] ?? given['vmid'])
  if (Number.isInteger(newid) && !world.exists(newid) && world.faults.take('id-taken') !== undefined) {
    // another client was faster with the id
    world.newVm(node, newid, { name: 'of-somebody-else', memory: '512', digest: '' })
    return 'id-taken'
  }
  const vm = world.vms.get(Number(given['vmid']))
  if (vm === undefined) return undefined
  const locked = world.faults.take('config-lock')
  if (locked !== undefined) throw died(`VM is locked (${locked.lock})`)
  if (world.faults.take('config-changed') === undefined) return undefined
  vm.config['hotplug'] = 'disk,network'
  return 'config-changed'
}

function refusalOf(fault: Extract<Fault, { kind: 'answer' | 'answer-after' }>): Refusal {
  const fields = fault.kind === 'answer' ? fault.fields : undefined
  return new Refusal(fault.status, fault.reason, { empty: fault.empty ?? false, ...(fields && { fields }) })
}

function cut(request: IncomingMessage): void {
  request.socket.destroy()
}

function answer(response: ServerResponse, status: number, reason: string, body: string): void {
  // the server writes the phrase in UTF-8, without a line break
  response.writeHead(status, Buffer.from(reason.replace(/[\r\n]+/g, ' '), 'utf8').toString('latin1'), {
    ...(body !== '' && { 'content-type': 'application/json;charset=UTF-8' }),
    'content-length': Buffer.byteLength(body),
    ...(status >= 400 && { connection: 'close' }),
  })
  response.end(body)
}

function parseForm(form: string): Given {
  const given: Given = {}
  for (const [name, value] of new URLSearchParams(form)) {
    const before = given[name]
    given[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return given
}

function fromJson(body: string): Given {
  const parsed = body === '' ? {} : (JSON.parse(body) as Record<string, unknown>)
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(String) : typeof value === 'boolean' ? String(Number(value)) : String(value),
    ]),
  )
}
