import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { openWasm, type OpenWasmOptions } from '@freehold/appliance/wasm/open-wasm'
import { wasmConfigSchema } from '@freehold/appliance/wasm/wasm-config'
import { createWasmClient, WasmTrustError, type ClientOptions } from '@freehold/wasm-client/client'
import { fromText } from 'wasmtime-node/wat'

const config = wasmConfigSchema.parse({ server: { workers: 1 }, payment: { free_gas_per_day: '100000000000000' } })
const request = { function_name: 'main', arguments: [], timeout_seconds: 5 }
const seven = await fromText('(module (func (export "main") (result i32) i32.const 7))')
// in the place of a processor's: its maker's key, which a caller knows
const hardware = generateKeyPairSync('ed25519')
const genuine: NonNullable<ClientOptions['attested']> = ({ format, evidence }, reportData) =>
  format === 'quote/v1' && verify(null, reportData, hardware.publicKey, Buffer.from(evidence, 'base64'))

/** Runs the program on a host with this attestor, by a client that insists on evidence; `asked` is what the host was asked for. */
async function insisting(attestor: OpenWasmOptions['attestor'], attested = genuine) {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-attested-'))
  const service = await openWasm({
    config,
    folder,
    clock: systemClock,
    ...(attestor !== undefined && { attestor }),
  })
  try {
    await service.app.listen({ host: '127.0.0.1', port: 0 })
    const url = `http://127.0.0.1:${(service.app.server.address() as AddressInfo).port}`
    const { text: apiKey } = service.apiKeys.create({ label: 'test', scopes: ['execute'], wallet: null, expiresAt: null })
    const asked: string[] = []
    const counting: typeof fetch = async (input, init) => {
      asked.push(new URL(input instanceof Request ? input.url : input).pathname)
      return await fetch(input, init)
    }
    const client = createWasmClient({ url, apiKey, hostKey: 'first-seen', attested, fetch: counting })
    const outcome = await client.run(seven, request).then(
      ({ results }) => results[0]?.value,
      (error: unknown) => error,
    )
    return { outcome, asked }
  } finally {
    await service.close()
    rmSync(folder, { recursive: true })
  }
}

const quote = async (reportData: Uint8Array): Promise<Uint8Array> => Promise.resolve(sign(null, reportData, hardware.privateKey))

const refused: [string, OpenWasmOptions['attestor'], RegExp][] = [
  ['a host without trusted hardware', undefined, /proves nothing/],
  ['hardware that refuses', { format: 'quote/v1', attest: () => Promise.reject(new Error('no')) }, /proves nothing/],
  ['a quote about another key', { format: 'quote/v1', attest: () => quote(Buffer.alloc(32)) }, /does not hold/],
  ['a quote of other rules', { format: 'quote/v2', attest: quote }, /does not hold/],
]
for (const [what, attestor, why] of refused) {
  test(`${what}: a client that insists on evidence sends nothing`, async () => {
    const { outcome, asked } = await insisting(attestor)
    assert.ok(outcome instanceof WasmTrustError && why.test(outcome.message), String(outcome))
    assert.deepEqual(asked, ['/v1/keys'])
  })
}

test('a check that fails by itself is no yes', async () => {
  const { outcome, asked } = await insisting({ format: 'quote/v1', attest: quote }, () => {
    throw new Error('the list of revoked processors does not answer')
  })
  assert.ok(outcome instanceof WasmTrustError)
  assert.deepEqual(asked, ['/v1/keys'])
})

test('evidence that holds: the program runs, and host and client mean the same bytes', async () => {
  const { outcome, asked } = await insisting({ format: 'quote/v1', attest: quote })
  assert.deepEqual([outcome, asked], [7, ['/v1/keys', '/v1/execute']])
})
