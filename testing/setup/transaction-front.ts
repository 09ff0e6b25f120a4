import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Transaction } from 'ethers'

/** A node that tells of each transaction before the real one gets it, and after it has it and nobody was answered yet. */
export interface TransactionFront {
  url: string
  /** Called at `sending-call`, `sent-call`, `sending-transfer` and so on; true where the asker is gone and nothing more happens. */
  onTransaction: (place: string) => boolean
  close(): Promise<void>
}

/** Stands before the node at `upstream` on a free loopback port. */
export async function startTransactionFront(upstream: string): Promise<TransactionFront> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      void (async (): Promise<unknown> => {
        const text = Buffer.concat(parts).toString('utf8')
        const what = kindOf(text)
        if (what !== undefined && front.onTransaction(`sending-${what}`)) return response.destroy()
        const answer = await fetch(upstream, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
        const reply = await answer.text()
        if (what !== undefined && front.onTransaction(`sent-${what}`)) return response.destroy()
        response.setHeader('content-type', 'application/json')
        return response.end(reply)
      })().catch(() => response.destroy())
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const front: TransactionFront = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onTransaction: () => false,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
  return front
}

/** Whether a request sends code or data somewhere, or money alone; undefined where it sends nothing. */
function kindOf(text: string): 'call' | 'transfer' | undefined {
  const raw = /"eth_sendRawTransaction","params":\["(0x[0-9a-f]+)"/.exec(text)?.[1]
  if (raw === undefined) {
    if (text.includes('eth_sendRawTransaction')) throw new TypeError(`a transaction that is not understood: ${text}`)
    return undefined
  }
  return Transaction.from(raw).data === '0x' ? 'transfer' : 'call'
}
