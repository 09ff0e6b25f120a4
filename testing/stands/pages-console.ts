import type { IncomingMessage, Server } from 'node:http'
import { WebSocketServer, type WebSocket } from 'ws'
import type { ConsoleEnd, ConsoleMessage } from '@freehold/appliance/api/schemas/console'
import { AppError, findAppError } from '@freehold/appliance/errors/app-error'
import { toProblem } from '@freehold/appliance/errors/problem'
import type { PagesWorld } from './pages-world.ts'

/** A login prompt on the serial line of a Debian guest, and a shell that repeats what is typed. */
const greeting = '\r\nDebian GNU/Linux 13 vm ttyS0\r\n\r\nowner@vm:~$ '

/**
 * The serial consoles of the stand: opened by an approved request of the act `console` from the browser that asked, as the host
 * does it (appliance/src/api/routes/console.ts). What is typed comes back, and stands in `world.consoles`.
 */
export function servePagesConsole(server: Server, world: PagesWorld, host: { origin: string; now(): number }): void {
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (request.headers.origin !== host.origin) return socket.destroy()
    sockets.handleUpgrade(request, socket, head, (line) => serve(line, request))
  })

  function serve(line: WebSocket, request: IncomingMessage): void {
    const tell = (message: ConsoleMessage) => line.send(JSON.stringify(message))
    const url = new URL(request.url ?? '/', host.origin)
    const vmId = /^\/v1\/vms\/([^/]+)\/console$/.exec(url.pathname)?.[1] ?? ''
    try {
      take(vmId, url.searchParams.get('requestId'), request.headers.cookie ?? '')
    } catch (error) {
      const problem = toProblem(error, { instance: url.pathname, requestId: 'stand' })
      tell({ type: 'refused', problem: { ...problem, errors: undefined } })
      return line.close(4003, findAppError(error)?.code ?? 'internal')
    }
    const open = {
      vmId,
      typed: '',
      end(code: ConsoleEnd, text: string) {
        world.consoles.delete(open)
        tell({ type: 'ended', code, text })
        line.close(4000, code)
      },
    }
    world.consoles.add(open)
    line.on('close', () => world.consoles.delete(open))
    line.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) return
      open.typed += data.toString()
      line.send(Buffer.from(data.toString().replaceAll('\r', '\r\nowner@vm:~$ ')), { binary: true })
    })
    tell({ type: 'open', vmId, hostname: `vm-${vmId.split('-')[1]}`, until: host.now() + 43_200 })
    line.send(Buffer.from(greeting), { binary: true })
  }

  function take(vmId: string, requestId: string | null, cookies: string): void {
    const asker = /(?:^|; )__Host-freehold-asker=([^;]+)/.exec(cookies)?.[1]
    const asked = [...world.requests.values()].find((r) => r.requestId === requestId)
    if (asked === undefined || asked.act !== 'console' || asked.vmId !== vmId || asked.askedBy !== asker) {
      throw new AppError({ code: 'not-found', detail: 'There is no such sign-in of yours.', hint: 'Begin it again.' })
    }
    if (asked.state !== 'approved') throw new AppError({ code: 'request-used', detail: `It is ${asked.state}.` })
    if (world.stale) throw new AppError({ code: 'chain-stale', detail: 'The present state of the network is not known.' })
    asked.state = 'used'
  }
}
