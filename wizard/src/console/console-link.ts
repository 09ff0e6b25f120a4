import '../api/without-eval.ts'
import { consoleFrameBytes, consoleMessageSchema, type ConsoleEnd } from '@freehold/appliance/api/schemas/console'
import { HostFailure, PageFailure } from '../api/failure.ts'

/** What becomes of a console, as the page hears it; bytes arrive between `open` and the end. */
export interface ConsoleEvents {
  open(info: { hostname: string; until: number }): void
  bytes(bytes: Uint8Array): void
  /** Over, after it was open. `lost`: the link broke. */
  ended(code: ConsoleEnd | 'lost', text: string): void
  /** Never opened. */
  refused(error: HostFailure | PageFailure): void
}

/** The page's end of a console. */
export interface ConsoleLink {
  write(text: string): void
  close(): void
}

/** Opens the console of a VM under an approved request of this browser. Exactly one of `ended` and `refused` is called, last. */
export function openConsole(vmId: string, requestId: string, events: ConsoleEvents): ConsoleLink {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
  const path = `/v1/vms/${encodeURIComponent(vmId)}/console?requestId=${encodeURIComponent(requestId)}`
  const socket = new WebSocket(`${scheme}//${location.host}${path}`)
  socket.binaryType = 'arraybuffer'
  let [opened, over] = [false, false]
  const finish = (tell: () => void) => {
    if (over) return
    over = true
    tell()
    socket.close()
  }
  socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (over) return
    if (typeof data !== 'string') return events.bytes(new Uint8Array(data))
    const message = consoleMessageSchema.safeParse(parse(data))
    if (!message.success) return finish(() => events.refused(new PageFailure('unreadable', { path }, message.error)))
    switch (message.data.type) {
      case 'open':
        opened = true
        return events.open(message.data)
      case 'ended': {
        const { code, text } = message.data
        return finish(() => events.ended(code, text))
      }
      case 'refused': {
        const { problem } = message.data
        return finish(() => events.refused(new HostFailure(problem)))
      }
    }
  })
  socket.addEventListener('close', () =>
    finish(() => (opened ? events.ended('lost', '') : events.refused(new PageFailure('network', { host: location.host })))),
  )
  return {
    write(text) {
      if (socket.readyState !== WebSocket.OPEN) return
      const bytes = new TextEncoder().encode(text)
      // a long paste in frames that the host takes
      for (let at = 0; at < bytes.length; at += consoleFrameBytes) socket.send(bytes.subarray(at, at + consoleFrameBytes))
    },
    close: () => finish(() => events.ended('closed', '')),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
