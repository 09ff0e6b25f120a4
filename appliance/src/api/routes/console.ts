import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { toProblem } from '../../errors/problem.ts'
import type { ApiServer } from '../app.ts'
import { askedBy } from '../asker.ts'
import type { ConsoleLine, OpenConsole } from '../consoles.ts'
import type { ApiPorts } from '../ports.ts'
import { consoleQuerySchema, type ConsoleMessage } from '../schemas/console.ts'
import { problemSchema, vmIdSchema } from '../schemas/values.ts'

/** A peer that has not answered a ping for so long is gone. */
const pingEveryMs = 20_000
/** Close codes of ours stand in 4000–4999. Source: RFC 6455 §7.4.2. */
const closeCodes = { ended: 4000, refused: 4003 } as const

/**
 * GET /v1/vms/{vmId}/console: the door while the guest's sign-in, its network or the guests' login endpoint is down. The
 * signature is the right; a session is neither needed nor enough. Needs nothing of the guest but its serial line.
 */
export function registerConsole(app: ApiServer, ports: ApiPorts): void {
  const params = z.strictObject({ vmId: vmIdSchema })
  app.route({
    method: 'GET',
    url: '/v1/vms/:vmId/console',
    config: { access: 'public', rate: { limit: 60, windowSeconds: 300 } },
    schema: {
      params,
      querystring: consoleQuerySchema,
      description: 'Serial console over a WebSocket, under an approved request of the act `console`. Frames: schemas/console.ts.',
    },
    handler() {
      throw new AppError({
        code: 'bad-input',
        detail: 'The console is a WebSocket.',
        hint: 'Open it with Upgrade: websocket.',
      })
    },
    wsHandler(socket, request) {
      void serve(socket, request as FastifyRequest<{ Params: { vmId: string }; Querystring: { requestId: string } }>)
    },
  })

  async function serve(
    socket: WebSocket,
    request: FastifyRequest<{ Params: { vmId: string }; Querystring: { requestId: string } }>,
  ): Promise<void> {
    const { vmId } = request.params
    let console: OpenConsole | undefined
    let gone = false
    // what comes before the console is open is nobody's
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) console?.write(data)
    })
    socket.once('close', () => {
      gone = true
      console?.close()
    })
    const alive = keepAlive(socket)
    socket.once('close', alive)
    try {
      const header = request.headers['freehold-nonce']
      const mine = askedBy(request, typeof header === 'string' ? header : undefined)
      const { request: asked, signer } = await ports.signIn.consume(
        request.query.requestId,
        (r) => r.act === 'console' && r.vm?.vmId === vmId && mine(r),
      )
      if (asked.vm === null) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
      // "open" goes out before the first byte of the console
      const held: Uint8Array[] = []
      let [begun, over] = [false, false]
      const line: ConsoleLine = {
        get waitingBytes() {
          return socket.bufferedAmount
        },
        send: (bytes) => void (begun ? socket.send(bytes, { binary: true }) : held.push(Uint8Array.from(bytes))),
        ended(code, text) {
          over = true
          if (gone) return
          tell(socket, { type: 'ended', code, text })
          socket.close(closeCodes.ended, code)
        },
      }
      console = await ports.consoles.open(asked.vm, signer, request.clientAddress, line)
      if (gone) return console.close()
      if (over) return
      tell(socket, { type: 'open', vmId, hostname: `vm-${asked.vm.tokenId}`, until: console.until })
      begun = true
      for (const bytes of held) line.send(bytes)
    } catch (error) {
      if (findAppError(error) === undefined) {
        ports.log.error(
          { requestId: request.id, cause: error instanceof Error ? error.stack : String(error) },
          'a console failed',
        )
      }
      const problem = toProblem(findAppError(error) ?? error, { instance: `/v1/vms/${vmId}/console`, requestId: request.id })
      tell(socket, { type: 'refused', problem: problemSchema.parse(problem) })
      socket.close(closeCodes.refused, problem.code)
    }
  }
}

function tell(socket: WebSocket, message: ConsoleMessage): void {
  socket.send(JSON.stringify(message))
}

/** Pings, and ends a peer that has fallen silent: it would hold the one console. Returns what ends the pinging. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true
  socket.on('pong', () => (answered = true))
  const timer = setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, pingEveryMs).unref()
  return () => clearInterval(timer)
}
