import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { wasmReceiptCheckSchema, wasmReceiptsSchema, wasmSchema, type WasmView } from '@freehold/appliance/api/schemas/wasm'
import { day } from '@freehold/appliance/chain/test-chain'
import type { ApiClient } from '@freehold/appliance/cli/client'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { standsInLog } from '@freehold/wasm-client/receipt'
import { sealRequest, type HostKey } from '@freehold/wasm-client/seal'
import { fromText } from 'wasmtime-node/wat'
import { z } from 'zod'
import { fresh, gasPerDay, startWasmHost, type WasmHostStand } from './stand.ts'

let stand: WasmHostStand
before(async () => {
  stand = await startWasmHost()
})
after(() => stand.stop())

const spin = await fromText('(module (func (export "main") (loop br 0)))')
const adding = await fromText(
  '(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))',
)

interface Said {
  status: number
  body: Record<string, unknown> & { error_code?: string; message?: string }
}

async function call(key: string, wasm: Uint8Array, args: number[] = []): Promise<Said> {
  const { keys } = (await (await fetch(`${stand.wasmUrl}/v1/keys`)).json()) as { keys: HostKey[] }
  const [hostKey] = keys
  assert.ok(hostKey !== undefined)
  const request = { function_name: 'main', arguments: args.map((value) => ({ value })), timeout_seconds: 2 }
  const sealed = await sealRequest(hostKey, wasm, request, new Date(stand.clock.now() * 1000))
  const answer = await fetch(`${stand.wasmUrl}/v1/execute`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(sealed.body),
  })
  return { status: answer.status, body: (await answer.json()) as Said['body'] }
}
const codeOf = async (key: string, wasm = adding, args = [40, 2]) => (await call(key, wasm, args)).body.error_code ?? 'OK'
const view = (client: ApiClient): Promise<WasmView> => client.call(wasmSchema, 'GET', '/v1/wasm')
/** The table at the service follows the chain: one look later. */
const becomes = (key: string, code: string) => stand.until(code, async () => (await codeOf(key)) === code)

suite('WASM paid with a plan of the contract', () => {
  test('a wallet without a subscription gets a key, and 402 with what to do', async () => {
    const client = await stand.signedIn(6)
    const key = await stand.newKey(client)
    const said = await call(key.text, adding, [1, 2])
    assert.deepEqual([said.status, said.body.error_code], [402, 'ALLOWANCE_SPENT'])
    assert.match(said.body.message ?? '', /buy or extend one/)
  })

  test('bought, called, spent: 402; the next day it runs again', async () => {
    const tokenId = await stand.buy(4, 10 * day)
    const client = await stand.signedIn(4)
    const key = await stand.newKey(client)
    await becomes(key.text, 'OK')
    // two spins of the default 12,000: the second is cut at what is left of the day
    assert.equal(await codeOf(key.text, spin, []), 'GAS_EXHAUSTED')
    const cut = await call(key.text, spin)
    assert.equal(cut.body.error_code, 'GAS_EXHAUSTED')
    const spent = await call(key.text, adding, [1, 2])
    assert.deepEqual([spent.status, spent.body.error_code], [402, 'ALLOWANCE_SPENT'])
    assert.match(spent.body.message ?? '', /midnight UTC/)
    const [subscription] = (await view(client)).subscriptions
    assert.equal(subscription?.usedToday, String(gasPerDay))
    assert.equal(subscription?.vmId.endsWith(`-${tokenId}`), true)
    const { items } = await client.call(wasmReceiptsSchema, 'GET', '/v1/wasm/receipts')
    assert.equal(items.length, 3)
    const check = (receipt: string) =>
      client.call(wasmReceiptCheckSchema, 'POST', '/v1/wasm/receipt-checks', { body: { receipt }, headers: fresh() })
    const jws = items[0]?.jws ?? ''
    assert.deepEqual(await check(jws).then(({ signed, logged, proof }) => [signed, logged, proof?.size]), [true, true, 3])
    const { proof, head, hostKey } = await check(jws)
    assert.ok(proof !== null && head !== null && (await standsInLog(jws, { proof, head }, hostKey)))
    const altered = `${jws.slice(0, 60)}${jws[60] === 'A' ? 'B' : 'A'}${jws.slice(61)}`
    assert.deepEqual(await check(altered).then(({ signed, logged }) => [signed, logged]), [false, false])
    await stand.pass(day)
    await becomes(key.text, 'OK')
  })

  test('a transferred pass: the key stops, a day that was spent is not given twice, and the new holder has his own key', async () => {
    const tokenId = await stand.buy(5, 10 * day)
    const [seller, buyer] = [await stand.signedIn(5), await stand.signedIn(7)]
    const [old, next] = [await stand.newKey(seller), await stand.newKey(buyer)]
    await becomes(old.text, 'OK')
    assert.equal(await codeOf(old.text, spin, []), 'GAS_EXHAUSTED')
    const signer = await stand.chain.provider.getSigner(devWallet(5).address)
    await stand.chain.send(signer, 'transferFrom', [signer.address, devWallet(7).address, tokenId])
    await becomes(old.text, 'ALLOWANCE_SPENT')
    await becomes(next.text, 'OK')
    assert.equal(await codeOf(next.text, spin, []), 'GAS_EXHAUSTED')
    assert.equal(await codeOf(next.text, spin, []), 'ALLOWANCE_SPENT', 'the day of the former holder counts')
    assert.deepEqual((await view(seller)).subscriptions, [])
    // nobody touches the keys of others
    await assert.rejects(buyer.call(z.unknown(), 'DELETE', `/v1/wasm/keys/${old.id}`), { code: 'not-found' })
    await seller.call(z.null(), 'DELETE', `/v1/wasm/keys/${old.id}`)
    assert.equal(await codeOf(old.text), 'UNAUTHORIZED')
  })

  test('expired: the key stops; extended: it runs; cancelled: it stops', async () => {
    const tokenId = await stand.buy(8, 3600)
    const key = await stand.newKey(await stand.signedIn(8))
    await becomes(key.text, 'OK')
    await stand.pass(3700)
    await becomes(key.text, 'ALLOWANCE_SPENT')
    const signer = await stand.chain.provider.getSigner(devWallet(8).address)
    await stand.chain.send(signer, 'extend', [tokenId, day, 10n ** 15n], 10n ** 15n)
    await becomes(key.text, 'OK')
    await stand.chain.send(signer, 'cancel', [tokenId])
    await becomes(key.text, 'ALLOWANCE_SPENT')
  })

  test('rotated: both run for a day, then the new one alone', async () => {
    await stand.buy(9, 10 * day)
    const client = await stand.signedIn(9)
    const key = await stand.newKey(client)
    const next = await client.call(z.looseObject({ text: z.string() }), 'POST', `/v1/wasm/keys/${key.id}/rotation`, {
      headers: fresh(),
    })
    await becomes(next.text, 'OK')
    assert.equal(await codeOf(key.text), 'OK')
    await stand.pass(day)
    assert.equal(await codeOf(key.text), 'UNAUTHORIZED')
    await becomes(next.text, 'OK')
  })

  test('while the service is down nothing is activated and the console says so; what cannot be delivered is given back', async () => {
    const client = await stand.signedIn(4)
    // an issue ripens from the look that found it, so the clock moves only when this look has been
    const seenDown = async () => (await stand.store.issues.list()).some(({ code }) => code === 'wasm-down')
    const looked = (down: boolean) => async () => {
      if ((await seenDown()) === down) return true
      stand.product.wake()
      return false
    }
    await stand.until('a look at a service that answers', looked(false))
    await stand.stopWasmd()
    await assert.rejects(view(client), { code: 'wasm-down' })
    const tokenId = await stand.buy(4, day)
    await stand.until('a look at a service that is down', looked(true))
    // the purchase is on the chain; the daemon sees it with the look at its block
    const bought = () => stand.product.api.facts().contracts[0]?.latest.subscriptions.get(tokenId)
    await stand.until('the purchase', async () => Promise.resolve(bought() !== undefined))
    assert.equal(bought()?.state, 'pending')
    await stand.pass(60)
    await stand.until('the issue', async () => (await stand.product.api.issues()).some((issue) => issue.code === 'wasm-down'))
    await stand.pass(2940)
    await stand.until('the rejection', async () => !stand.product.api.facts().contracts[0]?.latest.subscriptions.has(tokenId))
    await stand.until('its line', async () => stand.logged.some((line) => line.includes('reject of')))
    assert.ok(!stand.logged.some((line) => line.includes('activate of') && line.includes(`-${tokenId}:`)))
    await stand.startWasmd()
    await stand.until('the service', () =>
      view(client).then(
        () => true,
        () => false,
      ),
    )
  })

  test('no key and no secret stands in a log', () => {
    for (const line of stand.logged) assert.doesNotMatch(line, /whv_[0-9a-f]{12}_/)
  })
})
