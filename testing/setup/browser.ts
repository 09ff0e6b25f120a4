import { request as httpRequest } from 'node:http'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What the door answered. */
export interface Answer {
  status: number
  body: Record<string, unknown>
}

/** A browser at the door of a host that is not set up, without pages: it keeps its cookie and names its origin. */
export class Browser {
  readonly #folder: string
  #cookie = ''

  constructor(stateFolder: string) {
    this.#folder = stateFolder
  }

  /** Types the code of the machine's screen. */
  async enter(): Promise<void> {
    const { code } = JSON.parse(await readFile(join(this.#folder, 'run/setup-code'), 'utf8')) as { code: string }
    const { body } = await this.call('POST', '/v1/setup/entry', { code })
    if (body['entered'] !== true) throw new Error(`the code does not let in: ${JSON.stringify(body)}`)
  }

  /** One request. Rejects where nothing listens. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const sent = httpRequest(
      {
        socketPath: join(this.#folder, 'run/api.sock'),
        method,
        path,
        headers: {
          host: 'localhost:8080',
          ...(this.#cookie !== '' && { cookie: this.#cookie }),
          ...(method !== 'GET' && { origin: 'http://localhost:8080', 'idempotency-key': crypto.randomUUID() }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('error', reject)
        response.on('end', () => {
          const cookie = response.headers['set-cookie']?.[0]?.split(';')[0]
          if (cookie !== undefined) this.#cookie = cookie
          resolve({ status: response.statusCode ?? 0, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    return await promise
  }
}
