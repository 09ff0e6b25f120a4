import { Agent, request } from 'node:https'
import type { Asked } from '../../testing/pve/server.ts'

/** Bare https to a server of Proxmox: what somebody would write who trusts every answer. */
export class BareHttps {
  readonly #agent: Agent
  readonly #at: { port: number; authorization: string }

  constructor(at: { ca: string; servername: string; port: number; token: { id: string; secret: string } }) {
    this.#agent = new Agent({ ca: at.ca, servername: at.servername, keepAlive: true })
    this.#at = { port: at.port, authorization: `PVEAPIToken=${at.token.id}=${at.token.secret}` }
  }

  /** `data` of the answer, or undefined where there is none. */
  async call(method: string, path: string, body?: { type: string; bytes: Buffer }): Promise<unknown> {
    const headers = {
      authorization: this.#at.authorization,
      ...(body && { 'content-type': body.type, 'content-length': body.bytes.length }),
    }
    const options = { host: '127.0.0.1', port: this.#at.port, agent: this.#agent, method, path: `/api2/json${path}`, headers }
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const sent = request(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    sent.on('error', reject).end(body?.bytes)
    const text = await promise.catch(async (error: NodeJS.ErrnoException) => {
      // the server closed a connection that was kept, while this process was busy: it is asked over a new one
      if (sent.reusedSocket && error.code === 'ECONNRESET') return undefined
      throw error
    })
    if (text === undefined) return await this.call(method, path, body)
    return text === '' ? undefined : (JSON.parse(text) as { data?: unknown }).data
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** As often as the driver asks at first. */
const pollMs = 300

/** Another VM than the one whose calls were written down: its id and all that bears its number. */
export interface Renaming {
  from: { vmid: number; token: string }
  to: { vmid: number; token: string }
}

/** Sends the calls of a create once more for another VM, one after the other. Tasks are asked for until they have ended. */
export async function replayCreate(bare: BareHttps, calls: readonly Asked[], names: Renaming, iso: Buffer): Promise<void> {
  const rename = (text: string) =>
    text.replaceAll(String(names.from.vmid), String(names.to.vmid)).replaceAll(names.from.token, names.to.token)
  let task = ''
  let digest = ''
  for (const { verb, path, given = {} } of calls) {
    if (/\/tasks\/[^/]+\/status$/.test(path)) {
      const status = `/nodes/${task.split(':')[1]}/tasks/${encodeURIComponent(task)}/status`
      while (((await bare.call('GET', status)) as { status: string }).status === 'running')
        await new Promise((done) => setTimeout(done, pollMs))
      continue
    }
    const inPath = new Set(path.split('/').map((part) => decodeURIComponent(part)))
    const values = Object.entries(given).filter(([, value]) => !inPath.has(String(value)))
    const fields = new URLSearchParams(values.map(([key, value]) => [key, rename(String(value))]))
    const at = rename(path)
    if (verb === 'PUT' && fields.has('digest')) fields.set('digest', digest)
    const answer =
      path.endsWith('/upload') && verb === 'POST'
        ? await bare.call(verb, at, upload(fields, iso))
        : verb === 'GET' || verb === 'DELETE'
          ? await bare.call(verb, fields.size === 0 ? at : `${at}?${fields.toString()}`)
          : await bare.call(verb, at, { type: 'application/x-www-form-urlencoded', bytes: Buffer.from(fields.toString()) })
    if (verb === 'GET' && path.endsWith('/config')) ({ digest = '' } = (answer ?? {}) as { digest?: string })
    if (typeof answer === 'string' && answer.startsWith('UPID:')) task = answer
  }
}

function upload(fields: URLSearchParams, iso: Buffer): { type: string; bytes: Buffer } {
  const boundary = 'freehold-bench'
  const name = fields.get('filename') ?? 'seed.iso'
  // made anew for each VM, with other times in it
  for (const field of ['checksum', 'checksum-algorithm']) fields.delete(field)
  const text = [...fields]
    .filter(([key]) => key !== 'filename')
    .map(([key, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`)
    .join('')
  const head = `${text}--${boundary}\r\nContent-Disposition: form-data; name="filename"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat([Buffer.from(head), iso, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  }
}
