import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { Signature, toBeHex } from 'ethers'
import { holder, otherWallet } from '../sign-in/test-stand.ts'
import { loginRequestSchema, type LoginRequestView } from './schemas/sign-in.ts'
import { approvalOf, apiStand, type Answer, type ApiStand, type TestClient } from './test-stand.ts'

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** The twin of a signature: the other s, the other v. Every library recovers the same address from it. */
function highS(signature: string): string {
  const { r, s, v } = Signature.from(signature)
  return `${r}${toBeHex(order - BigInt(s), 32).slice(2)}${v === 27 ? '1c' : '1b'}`
}

suite('bad input at the sign-in', () => {
  let stand: ApiStand
  let vmId = ''
  let serial = 0
  /** What must never stand in a log. */
  const secrets = new Set<string>()
  before(async () => {
    stand = await apiStand()
  })
  beforeEach(async () => {
    stand.chain.set({})
    vmId = await stand.putVm()
    await stand.refresh()
  })
  after(() => stand.close())

  /** A browser at an address of its own: rates are another test's matter. */
  const browser = () => stand.client(`203.0.113.${(serial += 1)}`)

  async function begin(client: TestClient, act = 'console'): Promise<LoginRequestView> {
    const { body } = await client.call('POST', '/v1/login-requests', { body: { act, ...(act !== 'session' && { vmId }) } })
    for (const value of client.cookies.values()) secrets.add(value)
    return loginRequestSchema.parse(body)
  }

  async function approve(client: TestClient, view: LoginRequestView, signature: string, address = holder.address) {
    secrets.add(signature)
    return await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: { address, signature } })
  }

  const stateOf = async (client: TestClient, view: LoginRequestView) =>
    (await client.call('GET', `/v1/login-requests/${view.code}`)).body['state']

  const broken: readonly [string, (good: string) => string, number, string][] = [
    ['of 0 bytes', () => '0x', 400, 'signature-invalid'],
    ['of 64 bytes', (good) => good.slice(0, -2), 400, 'signature-invalid'],
    ['of 66 bytes', (good) => `${good}00`, 400, 'signature-invalid'],
    ['of 10,000 bytes', (good) => good + 'ab'.repeat(10_000 - 65), 400, 'signature-invalid'],
    ['of 10,001 bytes', () => `0x${'ab'.repeat(10_001)}`, 400, 'bad-input'],
    ['of half a byte', (good) => good.slice(0, -1), 400, 'bad-input'],
    ['without 0x', (good) => good.slice(2), 400, 'bad-input'],
    ['that is no hexadecimal', (good) => `${good.slice(0, -2)}zz`, 400, 'bad-input'],
    ['with a line break', (good) => `${good}\r\n`, 400, 'bad-input'],
    ['with a control character', (good) => `${good.slice(0, -2)}\u0000\u0007`, 400, 'bad-input'],
    ['with v 0', (good) => `${good.slice(0, -2)}00`, 400, 'signature-invalid'],
    ['with v 29', (good) => `${good.slice(0, -2)}1d`, 400, 'signature-invalid'],
    ['with the other v', (good) => `${good.slice(0, -2)}${good.endsWith('1b') ? '1c' : '1b'}`, 400, 'signature-invalid'],
    ['with high s', highS, 400, 'signature-invalid'],
    ['of zeros', () => `0x${'00'.repeat(65)}`, 400, 'signature-invalid'],
  ]
  for (const [name, change, status, code] of broken) {
    test(`denies a signature ${name}, and the good one still counts`, async () => {
      const client = browser()
      const view = await begin(client)
      const { signature } = await approvalOf(view, holder)
      const answer = await approve(client, view, change(signature))
      assert.deepEqual([answer.status, answer.body['code']], [status, code], answer.text)
      if (code === 'bad-input') assert.equal((answer.body['errors'] as { pointer: string }[])[0]?.pointer, '/signature')
      assert.ok(String(answer.body['hint']).length > 0)
      assert.equal(await stateOf(client, view), 'waiting')
      assert.equal((await approve(client, view, signature)).body['state'], 'approved')
    })
  }

  test('denies control characters in codes, acts, VM ids, nonces and reply codes, and repeats none of them', async () => {
    const client = browser()
    const view = await begin(client)
    const evil = '\r\nSet-Cookie: a=b\u001b[2J'
    const answers: Answer[] = [
      await client.call('GET', `/v1/login-requests/${encodeURIComponent(`AAAA${evil}`.slice(0, 20))}`),
      await client.call('POST', '/v1/login-requests', { body: { act: `console${evil}`, vmId } }),
      await client.call('POST', '/v1/login-requests', { body: { act: 'console', vmId: vmId + evil } }),
      await client.call('POST', '/v1/login-requests', { body: { act: 'session', nonce: evil } }),
      await client.call('GET', `/v1/vms/${encodeURIComponent(vmId + evil)}`),
    ]
    for (const { status, text, headers } of answers) {
      assert.ok(status === 400 || status === 401 || status === 404, text)
      assert.doesNotMatch(text, /[\u0000-\u001f]|\\u00|\\[rn]/)
      assert.equal(headers['set-cookie'], undefined)
    }
    const far = stand.client('198.51.100.200')
    const { body } = await far.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, holder) })
    for (const form of [String(body['replyCode']), String(body['replyCode']).replace('-', '')]) secrets.add(form)
    const wrong = await client.call('POST', `/v1/login-requests/${view.code}/reply`, { body: { reply: '\u0000\r\n' } })
    assert.deepEqual([wrong.body['state'], wrong.body['triesLeft']], ['needs-reply', 2])
  })

  test('two browsers that approve one code at once: one approval, and the other wallet is refused', async () => {
    const asker = browser()
    const view = await begin(asker, 'session')
    const [mine, theirs] = [await approvalOf(view, holder), await approvalOf(view, otherWallet)]
    const answers = await Promise.all([
      approve(asker, view, mine.signature),
      approve(asker, view, theirs.signature, otherWallet.address),
      approve(asker, view, mine.signature),
    ])
    const won = answers.filter((a) => a.status === 200)
    const lost = answers.filter((a) => a.status !== 200)
    assert.ok(won.length >= 1 && lost.length >= 1)
    for (const answer of lost) assert.equal(answer.body['code'], 'request-used')
    const session = await asker.call('POST', '/v1/sessions', { body: { requestId: view.requestId } })
    assert.equal(
      session.body['address'],
      won.includes(answers[1] as Answer) ? otherWallet.address.toLowerCase() : holder.address.toLowerCase(),
    )
  })

  test('two uses of one approval at once: exactly one counts', async () => {
    const client = await stand.signedIn(holder, `203.0.113.${(serial += 1)}`)
    const view = await begin(client, 'reinstall')
    await approve(client, view, (await approvalOf(view, holder)).signature)
    const before = stand.performed.length
    const use = () => client.call('POST', `/v1/vms/${vmId}/actions`, { body: { action: 'reinstall', requestId: view.requestId } })
    const statuses = (await Promise.all([use(), use(), use()])).map((a) => a.status)
    assert.equal(statuses.filter((s) => s === 202).length, 1, String(statuses))
    assert.equal(stand.performed.length, before + 1)
  })

  test('*Not me* while the wallet signs: the signature comes too late', async () => {
    const client = browser()
    const view = await begin(client)
    const { signature } = await approvalOf(view, holder)
    const [, late] = await Promise.all([
      client.call('POST', `/v1/login-requests/${view.code}/refusal`, { body: {} }),
      approve(client, view, signature),
    ])
    assert.equal(late.body['code'], 'request-used')
    assert.equal(await stateOf(client, view), 'denied')
  })

  test('P6 no signature, cookie or reply code stands in the log', () => {
    const log = [...stand.logged, ...stand.lines].join('\n')
    assert.ok(secrets.size > 20)
    for (const secret of secrets) if (secret.length > 8) assert.ok(!log.includes(secret), secret.slice(0, 12))
  })
})
