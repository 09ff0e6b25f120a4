import { request } from 'node:http'
import { AppError } from '../../errors/app-error.ts'
import { errorCatalogue, type ErrorCode } from '../../errors/catalogue.ts'

/** Asks the running broker over its admin socket. Throws the broker's own AppError, or `broker-data-path-failed` if it does not run. */
export function askBroker(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  const asked = request({ socketPath, method, path, headers, timeout: 30_000 }, (answer) => {
    const parts: Buffer[] = []
    answer.on('data', (part: Buffer) => parts.push(part))
    answer.on('end', () => {
      try {
        const parsed = JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>
        if ((answer.statusCode ?? 500) < 400 || path === '/healthz') resolve(parsed)
        else {
          const code = String(parsed['code'])
          reject(
            new AppError({
              code: (code in errorCatalogue ? code : 'internal') as ErrorCode,
              detail: String(parsed['detail']),
              ...(typeof parsed['hint'] === 'string' ? { hint: parsed['hint'] } : {}),
            }),
          )
        }
      } catch (error) {
        reject(error instanceof Error ? error : new Error('no answer'))
      }
    })
  })
  asked.on('timeout', () => asked.destroy(new Error('no answer in 30 s')))
  asked.on('error', (cause) =>
    reject(
      new AppError({
        code: 'broker-data-path-failed',
        detail: `The broker does not answer at ${socketPath}.`,
        hint: 'Start it: systemctl start freehold-broker. Its log: journalctl -u freehold-broker.',
        cause,
      }),
    ),
  )
  asked.end(text)
  return promise
}
