import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, beforeEach, suite, test } from 'node:test'
import type { Wallet } from 'ethers'
import { WebSocket } from 'ws'
import type { Address } from '../chain/subscription.ts'
import { holder, otherWallet } from '../sign-in/test-stand.ts'
import { consoleMessageSchema, type ConsoleMessage } from './schemas/console.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { approvalOf, apiStand, testOrigin, type ApiStand, type TestClient } from './test-stand.ts'

const next = otherWallet.address.toLowerCase() as Address

/** A browser's end of a console. */
interface Line {
  socket: WebSocket
  /** The next message of the host. */
  message(): Promise<ConsoleMessage>
  /** Bytes until this text is among them. */
  until(text: string): Promise<string>
}

suite('the serial console', () => {
  let stand: ApiStand
  let vmId = ''
  const open = new Set<WebSocket>()
  before(async () => {
    stand = await apiStand()
  })
  beforeEach(async () => {
    for (const socket of open) socket.terminate()
    open.clear()
    stand.chain.heads = { ...stand.chain.heads, stale: false }
    stand.chain.set({})
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(async () => {
    for (const socket of open) socket.terminate()
    await stand.close()
  })

  function dial(client: TestClient, path: string, headers: Record<string, string> = { origin: testOrigin }): Line {
    const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const socket = new WebSocket(`ws+unix:${stand.socketPath}:${path}`, {
      headers: {
        host: new URL(testOrigin).host,
        'x-forwarded-for': client.address,
        ...(cookie !== '' && { cookie }),
        ...headers,
      },
    })
    open.add(socket)
    const messages: ConsoleMessage[] = []
    let [bytes, wake] = ['', Promise.withResolvers<void>()]
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) bytes += data.toString()
      else messages.push(consoleMessageSchema.parse(JSON.parse(data.toString())))
      wake.resolve()
      wake = Promise.withResolvers()
    })
    return {
      socket,
      async message() {
        while (messages.length === 0) await wake.promise
        return messages.shift() as ConsoleMessage
      },
      async until(text) {
        while (!bytes.includes(text)) await wake.promise
        return bytes
      },
    }
  }

  /** Asks for the act and has it signed, as a browser does; returns the request. */
  async function signed(client: TestClient, act = 'console', wallet: Wallet = holder): Promise<LoginRequestView> {
    const begun = await client.call('POST', '/v1/login-requests', { body: { act, ...(act !== 'session' && { vmId }) } })
    const view = begun.body as unknown as LoginRequestView
    const answer = await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, wallet) })
    assert.equal(answer.status, 200, answer.text)
    return view
  }

  const pathOf = (view: { requestId: string }) => `/v1/vms/${vmId}/console?requestId=${view.requestId}`

  async function opened(client = stand.client()): Promise<Line> {
    const line = dial(client, pathOf(await signed(client)))
    assert.equal((await line.message()).type, 'open')
    return line
  }

  async function refusedWith(line: Line, code: string): Promise<void> {
    const message = await line.message()
    assert.equal(message.type === 'refused' && message.problem.code, code, JSON.stringify(message))
    if (line.socket.readyState !== WebSocket.CLOSED) await once(line.socket, 'close')
    assert.equal(stand.serial.size, 0)
  }

  async function statusOf(line: Line): Promise<number> {
    const [, answer] = (await once(line.socket, 'unexpected-response')) as [unknown, { statusCode: number }]
    line.socket.on('error', () => undefined)
    line.socket.terminate()
    return answer.statusCode
  }

  test('denies an upgrade from another page, from a browser without an origin, and to another name', async () => {
    const client = stand.client()
    const view = await signed(client)
    assert.equal(await statusOf(dial(client, pathOf(view), { origin: 'http://evil.example' })), 403)
    assert.equal(await statusOf(dial(client, pathOf(view), {})), 403)
    assert.equal(await statusOf(dial(stand.client(), pathOf(view), { 'sec-fetch-site': 'cross-site' })), 403)
    assert.equal(await statusOf(dial(client, pathOf(view), { origin: testOrigin, host: 'evil.example' })), 421)
    // none of them has used the signature up
    assert.equal((await dial(client, pathOf(view)).message()).type, 'open')
  })

  test('denies another browser, a session without a signature, and a signature that was used', async () => {
    const client = stand.client()
    const view = await signed(client)
    await refusedWith(dial(stand.client(), pathOf(view)), 'not-found')
    const session = await stand.signedIn()
    await refusedWith(dial(session, pathOf({ requestId: '0'.repeat(32) })), 'not-found')
    const line = dial(client, pathOf(view))
    await line.message()
    line.socket.close()
    await once(line.socket, 'close')
    await refusedWith(dial(client, pathOf(view)), 'request-used')
  })

  test('denies a signature for another act or another VM, and one that is not approved', async () => {
    const client = stand.client()
    for (const act of ['reinstall', 'rollback', 'session']) {
      await refusedWith(dial(client, pathOf(await signed(client, act))), 'not-found')
    }
    const view = await signed(client)
    await refusedWith(dial(client, `/v1/vms/${vmId.split('-')[0]}-43/console?requestId=${view.requestId}`), 'not-found')
    const waiting = await client.call('POST', '/v1/login-requests', { body: { act: 'console', vmId } })
    await refusedWith(dial(client, pathOf(waiting.body as { requestId: string })), 'not-in-this-state')
  })

  test('denies with a stale chain, after a transfer, after the end, after a reinstall', async () => {
    const client = stand.client()
    const views = [await signed(client), await signed(client), await signed(client), await signed(client)] as const
    stand.chain.heads = { ...stand.chain.heads, stale: true }
    await refusedWith(dial(client, pathOf(views[0])), 'chain-stale')
    stand.chain.heads = { ...stand.chain.heads, stale: false }
    stand.chain.set({ holder: next })
    await refusedWith(dial(client, pathOf(views[1])), 'wrong-wallet')
    stand.chain.set({ expiresAt: stand.chain.heads.latest.timestamp })
    await refusedWith(dial(client, pathOf(views[2])), 'not-entitled')
    stand.chain.set({})
    await stand.putVm({ generation: 2 })
    await stand.refresh()
    await refusedWith(dial(client, pathOf(views[3])), 'request-used')
  })

  test('A4 approved from elsewhere it opens only once the reply code has come back through the browser that asked', async () => {
    const asker = stand.client()
    const begun = await asker.call('POST', '/v1/login-requests', { body: { act: 'console', vmId } })
    const view = begun.body as unknown as LoginRequestView
    const phone = stand.client('198.51.100.9')
    const body = await approvalOf(view, holder)
    const approval = await phone.call('POST', `/v1/login-requests/${view.code}/approval`, { body })
    assert.equal(approval.body['state'], 'needs-reply')
    await refusedWith(dial(asker, pathOf(view)), 'not-in-this-state')
    const reply = { reply: approval.body['replyCode'] }
    assert.equal((await phone.call('POST', `/v1/login-requests/${view.code}/reply`, { body: reply })).status, 404)
    assert.equal((await asker.call('POST', `/v1/login-requests/${view.code}/reply`, { body: reply })).body['state'], 'approved')
    assert.equal((await dial(asker, pathOf(view)).message()).type, 'open')
  })

  test('carries bytes both ways, and stands in the audit trail with its end', async () => {
    const line = await opened()
    line.socket.send(Buffer.from('login: owner\r\n'))
    await line.until('login: owner')
    // text from a client is nothing
    line.socket.send('{"type":"open"}')
    line.socket.send(Buffer.from('.'))
    assert.equal(await line.until('.'), 'login: owner\r\n.')
    line.socket.close()
    await once(line.socket, 'close')
    const entries = async () => (await stand.store.audit.list({ target: vmId })).items
    while (!(await entries()).some((e) => e.what === 'console closed')) await stand.clock.wait(5)
    const [closed, begun] = (await entries()).filter((e) => e.what.startsWith('console '))
    assert.deepEqual([closed?.what, begun?.what, begun?.who], ['console closed', 'console opened', holder.address.toLowerCase()])
    assert.match(closed?.result ?? '', /^closed after \d+ s$/)
    assert.equal(stand.serial.size, 0)
  })

  for (const [why, code, change] of [
    ['the pass moves', 'pass-moved', () => stand.chain.set({ holder: next })],
    ['the subscription ends', 'not-entitled', () => stand.chain.set({ expiresAt: stand.chain.heads.latest.timestamp })],
    ['the pass is burned', 'not-entitled', () => stand.chain.set({ state: 'ended' })],
    [
      'the chain goes stale',
      'chain-stale',
      () => {
        stand.chain.heads = { ...stand.chain.heads, stale: true }
        stand.chain.changed()
      },
    ],
  ] as const) {
    test(`T6 L5 an open console ends when ${why}, and says so`, async () => {
      const line = await opened()
      change()
      const message = await line.message()
      assert.equal(message.type === 'ended' && message.code, code)
      assert.equal(stand.serial.size, 0)
    })
  }

  test('it ends after twelve hours and not before, whoever still has every right', async () => {
    const line = await opened()
    const consoles = stand.apiPorts.consoles
    stand.clock.advance(12 * 3600 - 60)
    // rights are looked up: the same look ends it a minute later
    stand.chain.changed()
    line.socket.send(Buffer.from('still here\r'))
    await line.until('still here')
    assert.equal(consoles.size, 1)
    stand.clock.advance(61)
    stand.chain.changed()
    const message = await line.message()
    assert.equal(message.type === 'ended' && message.code, 'too-long')
    assert.equal(consoles.size, 0)
    assert.equal(stand.serial.size, 0)
  })

  test('it ends when the VM stops, and gives way to a newer one under a new signature', async () => {
    const first = await opened()
    const second = await opened(stand.client('198.51.100.9'))
    const gaveWay = await first.message()
    assert.equal(gaveWay.type === 'ended' && gaveWay.code, 'taken-over')
    for (const stream of stand.serial) stream.end()
    const stopped = await second.message()
    assert.equal(stopped.type === 'ended' && stopped.code, 'vm-stopped')
  })

  test('a frame of more than 16 KiB ends it, and nothing of it arrives', async () => {
    const line = await opened()
    line.socket.send(Buffer.alloc(16 * 1024 + 1, 'x'))
    const [code] = (await once(line.socket, 'close')) as [number]
    assert.equal(code, 1009)
    while (stand.serial.size > 0) await stand.clock.wait(5)
  })

  test('a terminal opens it by the nonce that it kept, and by nothing that it showed', async () => {
    const terminal = stand.client()
    const nonce = 'ab'.repeat(16)
    const begun = await terminal.call('POST', '/v1/login-requests', { body: { act: 'console', vmId, nonce } })
    const view = begun.body as unknown as LoginRequestView
    const body = await approvalOf(view, holder)
    assert.equal((await terminal.call('POST', `/v1/login-requests/${view.code}/approval`, { body })).body['state'], 'approved')
    await refusedWith(dial(terminal, pathOf(view), { 'freehold-nonce': view.nonce }), 'not-found')
    assert.equal((await dial(terminal, pathOf(view), { 'freehold-nonce': nonce }).message()).type, 'open')
  })

  test('opens while the guest has never reported, and with no login endpoint at all: it needs the serial line alone', async () => {
    // this stand has no endpoint for guests, and the VM no host key, so that no login by ssh could begin
    await stand.putVm({ reported: false })
    await stand.refresh()
    const client = stand.client()
    const line = dial(client, pathOf(await signed(client)))
    assert.equal((await line.message()).type, 'open')
    line.socket.send(Buffer.from('systemctl restart ssh\r'))
    await line.until('systemctl restart ssh')
  })

  test('a host that stops ends it, and a peer that has gone leaves the line free', async () => {
    const line = await opened()
    line.socket.terminate()
    while (stand.serial.size > 0) await stand.clock.wait(5)
    const second = await opened()
    await stand.apiPorts.consoles.stop()
    const message = await second.message()
    assert.equal(message.type === 'ended' && message.code, 'closed')
    assert.equal(stand.serial.size, 0)
  })

  test('a plain GET is told to open a WebSocket', async () => {
    const answer = await stand.client().call('GET', pathOf({ requestId: 'x' }))
    assert.deepEqual([answer.status, answer.body['code']], [400, 'bad-input'])
  })
})
