import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { holder, otherWallet } from '../sign-in/test-stand.ts'
import { problemSchema } from './schemas/values.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { approvalOf, apiStand, type ApiStand, type Answer } from './test-stand.ts'

function refused(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/)
  const problem = problemSchema.parse(answer.body)
  assert.equal(problem.code, code)
  assert.equal(problem.requestId, answer.headers['x-request-id'])
  assert.doesNotMatch(answer.text, /node_modules|at \w+ \(|\.ts:/)
}

suite('what the API refuses', () => {
  let stand: ApiStand
  let vmId = ''
  before(async () => {
    stand = await apiStand()
  })
  beforeEach(async () => {
    stand.chain.set({})
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(() => stand.close())

  test('421 for a wrong Host', async () => {
    for (const host of ['localhost', 'localhost:8081', 'evil.example', 'localhost:8080.evil.example']) {
      refused(await stand.client().call('GET', '/v1/status', { headers: { host } }), 421, 'misdirected')
    }
  })

  test('403 for an unsafe method from another origin, also without a cookie', async () => {
    for (const origin of ['http://evil.example', 'null', 'https://localhost:8080']) {
      refused(
        await stand.client().call('POST', '/v1/login-requests', { body: { act: 'session' }, headers: { origin } }),
        403,
        'wrong-origin',
      )
    }
  })

  test('413 above 256 KiB, 400 for no JSON, another type, unknown fields', async () => {
    const call = (raw: string, headers = {}) => stand.client().call('POST', '/v1/login-requests', { raw, headers })
    refused(await call(JSON.stringify({ act: 'x'.repeat(256 * 1024) })), 413, 'body-too-large')
    refused(await call('{"act":'), 400, 'bad-input')
    refused(await call(''), 400, 'bad-input')
    refused(await call('act=session', { 'content-type': 'application/x-www-form-urlencoded' }), 400, 'bad-input')
    const unknown = await call('{"act":"session","admin":true}')
    refused(unknown, 400, 'bad-input')
    const wrong = await call('{"act":"session","nonce":"x"}')
    assert.equal((wrong.body['errors'] as { pointer: string }[])[0]?.pointer, '/nonce')
  })

  test('400 for a POST that acts without an Idempotency-Key', async () => {
    refused(
      await stand.client().call('POST', '/v1/login-requests', { body: { act: 'session' }, headers: { 'idempotency-key': '' } }),
      400,
      'bad-input',
    )
  })

  test('L13 a shell cannot be asked for here, and no signature but over the rebuilt text counts', async () => {
    refused(await stand.client().call('POST', '/v1/login-requests', { body: { act: 'shell', vmId } }), 400, 'bad-input')
    const begun = await stand.client().call('POST', '/v1/login-requests', { body: { act: 'session' } })
    const signature = await holder.signMessage('Sign in')
    refused(
      await stand.client().call('POST', `/v1/login-requests/${String(begun.body['code'])}/approval`, {
        body: { address: holder.address, signature },
      }),
      400,
      'signature-invalid',
    )
  })

  test('P8 a session is nothing that can be guessed, forged or kept after its end', async () => {
    const client = stand.client()
    client.cookies.set('__Host-freehold', 'A'.repeat(43))
    refused(await client.call('GET', '/v1/vms'), 401, 'not-signed-in')
    const signedIn = await stand.signedIn()
    const { body } = await signedIn.call('GET', '/v1/sessions')
    const [session] = body['sessions'] as { sessionId: string; current: boolean; token: null }[]
    assert.deepEqual([session?.current, session?.token], [true, null])
    const kept = new Map(signedIn.cookies)
    assert.equal((await signedIn.call('DELETE', `/v1/sessions/${session?.sessionId}`)).status, 204)
    for (const [name, value] of kept) signedIn.cookies.set(name, value)
    refused(await signedIn.call('GET', '/v1/vms'), 401, 'not-signed-in')
  })

  test('P8 sessions end after 12 h and cannot be ended by others', async () => {
    const signedIn = await stand.signedIn()
    const { body } = await signedIn.call('GET', '/v1/sessions')
    const [session] = body['sessions'] as { sessionId: string }[]
    const other = await stand.signedIn(otherWallet)
    refused(await other.call('DELETE', `/v1/sessions/${session?.sessionId}`), 404, 'not-found')
    stand.clock.advance(12 * 3600)
    refused(await signedIn.call('GET', '/v1/vms'), 401, 'not-signed-in')
  })

  test('P6 cookies are __Host-, Secure, HttpOnly, SameSite=Strict; no answer to a browser holds the token', async () => {
    const client = stand.client()
    const begun = await client.call('POST', '/v1/login-requests', { body: { act: 'session' } })
    const view = begun.body as unknown as LoginRequestView
    await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) })
    const made = await client.call('POST', '/v1/sessions', { body: { requestId: view.requestId } })
    const [line = ''] = made.headers['set-cookie'] ?? []
    assert.match(line, /^__Host-freehold=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict$/)
    assert.equal(made.body['token'], null)
    const token = /=([^;]+)/.exec(line)?.[1] ?? ''
    assert.doesNotMatch(made.text, new RegExp(token))
    assert.doesNotMatch(stand.logged.join('\n'), new RegExp(token))
    // hashed at rest
    assert.notEqual((await stand.store.sessions.list(holder.address.toLowerCase()))[0]?.idHash, token)
  })

  test('L4 a session is not for another browser, another request, or twice', async () => {
    const asker = stand.client()
    const begun = await asker.call('POST', '/v1/login-requests', { body: { act: 'session' } })
    const view = begun.body as unknown as LoginRequestView
    await stand.client().call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) })
    const thief = stand.client()
    refused(
      await thief.call('POST', '/v1/sessions', { body: { requestId: view.requestId, nonce: view.nonce, bearer: true } }),
      404,
      'not-found',
    )
    assert.equal((await asker.call('POST', '/v1/sessions', { body: { requestId: view.requestId } })).status, 201)
    refused(await asker.call('POST', '/v1/sessions', { body: { requestId: view.requestId } }), 410, 'request-used')
  })

  test("L4 a CLI's session needs the nonce that the CLI kept: the signed one, which everybody sees, opens nothing", async () => {
    const nonce = 'cd'.repeat(16)
    const cli = stand.client()
    const begun = await cli.call('POST', '/v1/login-requests', { body: { act: 'session', nonce } })
    const view = begun.body as unknown as LoginRequestView
    assert.notEqual(view.nonce, nonce)
    await cli.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) })
    refused(
      await cli.call('POST', '/v1/sessions', { body: { requestId: view.requestId, nonce: view.nonce, bearer: true } }),
      404,
      'not-found',
    )
    const made = await cli.call('POST', '/v1/sessions', { body: { requestId: view.requestId, nonce, bearer: true } })
    assert.equal(made.headers['set-cookie'], undefined)
    cli.token = String(made.body['token'])
    assert.equal((await cli.call('GET', '/v1/vms')).status, 200)
  })

  test('A4 an approval from another browser and address gives the asker nothing before the reply code', async () => {
    const asker = stand.client('203.0.113.7')
    const view = (await asker.call('POST', '/v1/login-requests', { body: { act: 'session' } }))
      .body as unknown as LoginRequestView
    assert.equal(view.direct, true)
    const other = stand.client('198.51.100.7')
    const seen = (await other.call('GET', `/v1/login-requests/${view.code}`)).body as unknown as LoginRequestView
    assert.deepEqual([seen.direct, seen.browserAddress, seen.source], [false, '198.51.100.7', '203.0.113.7'])
    const approval = await other.call('POST', `/v1/login-requests/${view.code}/approval`, {
      body: await approvalOf(seen, holder),
    })
    assert.equal(approval.body['state'], 'needs-reply')
    assert.match(String(approval.body['replyCode']), /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    refused(await asker.call('POST', '/v1/sessions', { body: { requestId: view.requestId } }), 409, 'not-in-this-state')
    refused(
      await other.call('POST', `/v1/login-requests/${view.code}/reply`, { body: { reply: approval.body['replyCode'] } }),
      404,
      'not-found',
    )
    const reply = await asker.call('POST', `/v1/login-requests/${view.code}/reply`, {
      body: { reply: approval.body['replyCode'] },
    })
    assert.equal(reply.body['state'], 'approved')
    assert.equal((await asker.call('POST', '/v1/sessions', { body: { requestId: view.requestId } })).status, 201)
  })

  test('client addresses come from the last hop that Caddy names, never from a header of the client', async () => {
    const liar = stand.client('198.51.100.7')
    const view = (
      await liar.call('POST', '/v1/login-requests', {
        body: { act: 'session' },
        headers: { 'x-forwarded-for': '203.0.113.7, 198.51.100.7' },
      })
    ).body
    assert.equal(view['source'], '198.51.100.7')
  })

  test('A3 Not me: anybody with the code ends it, and the page says so', async () => {
    const view = (await stand.client().call('POST', '/v1/login-requests', { body: { act: 'session' } }))
      .body as unknown as LoginRequestView
    const anybody = stand.client('198.51.100.9')
    assert.equal((await anybody.call('POST', `/v1/login-requests/${view.code}/refusal`, { body: {} })).body['state'], 'denied')
    assert.equal((await anybody.call('GET', `/v1/login-requests/${view.code}`)).body['state'], 'denied')
    refused(
      await stand.client().call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) }),
      410,
      'request-used',
    )
  })

  test('A9 opening a link changes nothing', async () => {
    const view = (await stand.client().call('POST', '/v1/login-requests', { body: { act: 'session' } }))
      .body as unknown as LoginRequestView
    for (let i = 0; i < 3; i += 1)
      assert.equal((await stand.client().call('GET', `/v1/login-requests/${view.code}`)).body['state'], 'waiting')
    refused(await stand.client().call('GET', '/v1/login-requests/00000000'), 404, 'not-found')
  })

  test('L7 another wallet neither sees nor moves a VM; the former holder neither from the first block on', async () => {
    const former = await stand.signedIn()
    stand.chain.latestSubscription = {
      ...(stand.chain.giving as NonNullable<typeof stand.chain.giving>),
      holder: otherWallet.address.toLowerCase() as `0x${string}`,
    }
    await stand.refresh()
    for (const path of [`/v1/vms/${vmId}`, `/v1/subscriptions/${vmId}`])
      refused(await former.call('GET', path), 404, 'vm-unknown')
    refused(await former.call('POST', `/v1/vms/${vmId}/actions`, { body: { action: 'reboot' } }), 404, 'vm-unknown')
    assert.deepEqual((await former.call('GET', '/v1/vms')).body['items'], [])
    const now = await stand.signedIn(otherWallet)
    assert.equal((now.address, (await now.call('GET', `/v1/vms/${vmId}`)).status), 200)
  })

  test('a session alone erases nothing: reinstall needs its own signature, of this wallet, for this act and VM, once', async () => {
    const client = await stand.signedIn()
    const act = (requestId?: string, action = 'reinstall') =>
      client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action, ...(requestId && { requestId }) } })
    refused(await act(), 400, 'bad-input')
    refused(await act('ab'.repeat(16)), 404, 'not-found')
    const begin = async (wanted: string) =>
      (await client.call('POST', '/v1/login-requests', { body: { act: wanted, vmId } })).body as unknown as LoginRequestView
    const rollback = await begin('rollback')
    await client.call('POST', `/v1/login-requests/${rollback.code}/approval`, { body: await approvalOf(rollback, holder) })
    refused(await act(rollback.requestId), 404, 'not-found')
    const reinstall = await begin('reinstall')
    refused(await act(reinstall.requestId), 409, 'not-in-this-state')
    refused(
      await client.call('POST', `/v1/login-requests/${reinstall.code}/approval`, {
        body: await approvalOf(reinstall, otherWallet),
      }),
      403,
      'wrong-wallet',
    )
    await client.call('POST', `/v1/login-requests/${reinstall.code}/approval`, { body: await approvalOf(reinstall, holder) })
    const before = stand.performed.length
    assert.equal((await act(reinstall.requestId)).status, 202)
    refused(await act(reinstall.requestId), 410, 'request-used')
    assert.deepEqual(stand.performed.slice(before), [{ vmId, action: 'reinstall' }])
  })

  test('in grace nothing is done at a VM', async () => {
    const client = await stand.signedIn()
    stand.chain.set({ expiresAt: stand.chain.heads.latest.timestamp - 1 })
    await stand.refresh()
    refused(await client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action: 'reboot' } }), 409, 'not-in-this-state')
    refused(
      await client.call('POST', '/v1/login-requests', { body: { act: 'console', vmId: '0123456789ab-1' } }),
      404,
      'vm-unknown',
    )
  })

  test('the same Idempotency-Key acts once; with another body it is refused', async () => {
    const client = await stand.signedIn()
    const call = (action: string) =>
      client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action }, headers: { 'idempotency-key': 'one-and-the-same' } })
    const before = stand.performed.length
    const first = await call('reboot')
    assert.equal(first.status, 202, first.text)
    const again = await call('reboot')
    assert.deepEqual([again.status, again.body, again.headers['idempotency-replayed']], [202, first.body, 'true'])
    assert.equal(stand.performed.length, before + 1)
    refused(await call('stop'), 409, 'idempotency-mismatch')
  })

  test('X22 the RPC serves reads and signed transactions, and nothing that signs, mines or traces', async () => {
    const call = (body: unknown) => stand.client().call('POST', '/v1/rpc', { body })
    for (const method of [
      'eth_sendTransaction',
      'eth_sign',
      'personal_sign',
      'eth_accounts',
      'anvil_setBalance',
      'evm_increaseTime',
      'debug_traceCall',
      'eth_getLogs',
      'admin_addPeer',
      '__proto__',
    ]) {
      const { status, body } = await call({ jsonrpc: '2.0', id: 1, method, params: [] })
      assert.deepEqual([status, (body['error'] as { code: number }).code], [200, -32601], method)
    }
    assert.deepEqual((await call({ jsonrpc: '2.0', id: 7, method: 'eth_chainId', params: [] })).body, {
      jsonrpc: '2.0',
      id: 7,
      result: '0x7a69',
    })
    refused(await call(Array.from({ length: 51 }, () => ({ id: 1, method: 'eth_chainId' }))), 400, 'bad-input')
    refused(await call({ id: 1, method: 5 }), 400, 'bad-input')
  })

  test('a failure of ours is a plain 500: its cause stays in the log', async () => {
    const { issues } = stand.apiPorts
    stand.apiPorts.facts = () => {
      throw new Error('password of the database: hunter2')
    }
    const answer = await stand.client().call('GET', '/v1/plans')
    refused(answer, 500, 'internal')
    assert.doesNotMatch(answer.text, /hunter2/)
    assert.ok(stand.logged.some((l) => l.includes(String(answer.body['requestId']))))
    stand.apiPorts.facts = () => stand.facts
    stand.apiPorts.issues = issues
  })

  test('bodies of any shape end in an answer of the funnel, never in a 500', async () => {
    const values = [
      null,
      true,
      0,
      -1,
      1e300,
      '',
      'x'.repeat(1000),
      [],
      [[]],
      {},
      { __proto__: null },
      { act: null },
      { act: {} },
      { act: ['session'] },
      { requestId: {} },
      { reply: 5 },
      { address: '0x', signature: '0x' },
    ]
    for (const path of [
      '/v1/login-requests',
      '/v1/login-requests/AAAAAAAA/approval',
      '/v1/login-requests/AAAAAAAA/reply',
      '/v1/sessions',
      '/v1/rpc',
      `/v1/vms/${vmId}/actions`,
    ]) {
      for (const value of values) {
        const { status, text } = await stand.client(`192.0.2.${values.indexOf(value)}`).call('POST', path, { body: value })
        assert.ok(status >= 400 && status < 500, `${path} ${JSON.stringify(value)}: ${status} ${text}`)
      }
    }
  })

  test('P8 who guesses codes is stopped: at most 900 looks in five minutes, of 10^12 codes', async () => {
    const client = stand.client('192.0.2.202')
    const statuses: number[] = []
    for (let i = 0; i < 1000 && statuses.at(-1) !== 429; i += 1) {
      statuses.push((await client.call('GET', `/v1/login-requests/${String(10_000_000 + i)}`)).status)
    }
    assert.deepEqual([statuses.at(-1), new Set(statuses.slice(0, -1))], [429, new Set([404])])
    assert.ok(statuses.length <= 901, `${statuses.length} looks`)
  })

  test('P8 over the rate: 429 with Retry-After, kept over a restart', async () => {
    const client = stand.client('192.0.2.200')
    let answer: Answer | undefined
    for (let i = 0; i < 100; i += 1) {
      answer = await client.call('POST', '/v1/login-requests/AAAAAAAA/approval', {
        body: { address: holder.address, signature: '0x' },
      })
      if (answer.status === 429) break
    }
    assert.ok(answer !== undefined)
    refused(answer, 429, 'too-many-requests')
    assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/)
    assert.equal(
      (
        await stand
          .client('192.0.2.201')
          .call('POST', '/v1/login-requests/AAAAAAAA/approval', { body: { address: holder.address, signature: '0x' } })
      ).status,
      404,
    )
  })
})
