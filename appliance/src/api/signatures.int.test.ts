import assert from 'node:assert/strict'
import { after, before, beforeEach, suite, test } from 'node:test'
import { holder } from '../sign-in/test-stand.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { apiStand, approvalOf, type ApiStand, type TestClient } from './test-stand.ts'

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Each from a good signature of the holder: what the API makes of it. */
const rows: [name: string, make: (good: string) => unknown, status: number, code: string][] = [
  ['0 bytes', () => '0x', 400, 'signature-invalid'],
  ['an empty text', () => '', 400, 'bad-input'],
  ['64 bytes', (good) => good.slice(0, -2), 400, 'signature-invalid'],
  ['66 bytes', (good) => `${good}00`, 400, 'signature-invalid'],
  ['10,000 bytes', (good) => good + '00'.repeat(9935), 400, 'signature-invalid'],
  ['10,001 bytes', (good) => good + '00'.repeat(9936), 400, 'bad-input'],
  ['no hex', () => `0x${'zz'.repeat(65)}`, 400, 'bad-input'],
  ['half a byte', (good) => `${good}0`, 400, 'bad-input'],
  ['no 0x', (good) => good.slice(2), 400, 'bad-input'],
  ['a line break at the end', (good) => `${good}\r\n`, 400, 'bad-input'],
  ['control characters before it', (good) => `\u001b[2J${good}`, 400, 'bad-input'],
  ['v 0 or 1', (good) => good.slice(0, -2) + (good.endsWith('1b') ? '00' : '01'), 400, 'signature-invalid'],
  ['v 29', (good) => `${good.slice(0, -2)}1d`, 400, 'signature-invalid'],
  ['v 255', (good) => `${good.slice(0, -2)}ff`, 400, 'signature-invalid'],
  ['its twin with high s', highS, 400, 'signature-invalid'],
  ['a number', () => 1, 400, 'bad-input'],
  ['a list', (good) => [good], 400, 'bad-input'],
  ['null', () => null, 400, 'bad-input'],
]

suite('signatures that come to the API', () => {
  let stand: ApiStand
  let client: TestClient
  let places = 0
  before(async () => {
    stand = await apiStand()
    await stand.putVm()
    await stand.refresh()
  })
  beforeEach(() => {
    client = stand.client(`2001:db8:${(places += 1).toString(16)}::1`)
  })
  after(() => stand.close())

  async function asked(): Promise<LoginRequestView> {
    return (await client.call('POST', '/v1/login-requests', { body: { act: 'session' } })).body as unknown as LoginRequestView
  }
  for (const [name, make, status, code] of rows) {
    test(`denies ${name}, says why, keeps the request open, and logs nothing of it`, async () => {
      const view = await asked()
      const good = await approvalOf(view, holder)
      const signature = make(good.signature)
      const path = `/v1/login-requests/${view.code}/approval`
      const answer = await client.call('POST', path, { body: { ...good, signature } })
      assert.deepEqual([answer.status, answer.body['code']], [status, code], answer.text)
      if (code === 'bad-input') {
        assert.equal((answer.body['errors'] as { pointer: string }[])[0]?.pointer, '/signature', answer.text)
      } else assert.match(String(answer.body['detail']), /no signature of 0x[0-9a-f]{40} under the text of this sign-in/)
      const kept = [...stand.logged, ...stand.lines].join('\n')
      assert.ok(!kept.includes(good.signature.slice(2, 66)) && !answer.text.includes(good.signature.slice(2, 66)))
      assert.equal((await client.call('POST', path, { body: good })).status, 200, 'the good one still counts')
    })
  }
})

function highS(good: string): string {
  const s = order - BigInt(`0x${good.slice(66, 130)}`)
  return `${good.slice(0, 66)}${s.toString(16).padStart(64, '0')}${good.endsWith('1b') ? '1c' : '1b'}`
}
