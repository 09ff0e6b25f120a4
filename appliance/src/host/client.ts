import { createConnection } from 'node:net'
import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { errorCatalogue, type ErrorCode } from '../errors/catalogue.ts'
import type { Call, HostPort } from './port.ts'

/** Where the helper listens on an installed host. */
export const hostSocket = '/run/freehold-hostd/hostd.sock'

const reply = z.union([z.object({ ok: z.unknown() }), z.object({ error: z.object({ code: z.string(), detail: z.string() }) })])

/** The helper over its socket. Verbs throw AppError `host-helper-down`, or what the helper said. */
export function createHostClient(socketPath: string = hostSocket, options: { timeoutMs?: number } = {}): HostPort {
  const call: Call = async (verb, argument) => {
    const line = await exchange(socketPath, `${JSON.stringify({ verb, argument })}\n`, options.timeoutMs ?? 120_000)
    const answer = reply.safeParse(parse(line))
    if (!answer.success) throw down('Its answer could not be read.')
    if ('error' in answer.data) {
      const { code, detail } = answer.data.error
      throw new AppError({ code: code in errorCatalogue ? (code as ErrorCode) : 'internal', detail })
    }
    return answer.data.ok as never
  }
  return {
    isolates: true,
    setTaps: (argument) => call('setTaps', argument),
    setFirewall: async (argument) => void (await call('setFirewall', argument)),
    tryNetwork: (argument) => call('tryNetwork', argument),
    confirmNetwork: async (argument) => void (await call('confirmNetwork', argument)),
    cutConnections: async ({ installation, tokenId }) =>
      void (await call('cutConnections', { installation, tokenId: String(tokenId) })),
    tunnelKey: (argument) => call('tunnelKey', argument),
    setTunnels: async (argument) => void (await call('setTunnels', argument)),
    announce: async (argument) => void (await call('announce', argument)),
    restartUnit: async (argument) => void (await call('restartUnit', argument)),
    setWasm: async (argument) => void (await call('setWasm', argument)),
    startUpdate: async () => void (await call('startUpdate', {})),
    factoryReset: async (argument) => void (await call('factoryReset', argument)),
  }
}

function exchange(path: string, request: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = createConnection(path)
  let text = ''
  socket.setEncoding('utf8').setTimeout(timeoutMs, () => socket.destroy(down('It did not answer in time.')))
  socket.on('connect', () => socket.write(request))
  socket.on('data', (part: string) => (text += part))
  socket.on('error', (cause: Error) => reject(cause instanceof AppError ? cause : down('Nobody answers at its socket.', cause)))
  socket.on('close', () => resolve(text))
  return promise
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function down(detail: string, cause?: unknown): AppError {
  return new AppError({ code: 'host-helper-down', detail, cause })
}
