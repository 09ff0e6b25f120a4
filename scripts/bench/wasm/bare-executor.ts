// The bare executor of the comparison: one executor child and the same crypto, without HTTP, admission, receipts, log. Prints calls
// a second and microseconds of processor for each as JSON. Argument: number of calls.
import { generateKeyPairSync } from 'node:crypto'
import { ExecutorPool } from '@freehold/appliance/wasm/executor/executor-pool'
import { canonicalJson } from '@freehold/appliance/wasm/protocol/canonical'
import { setupRecipient } from '@freehold/appliance/wasm/protocol/hpke'
import { requestAad, requestInfo } from '@freehold/appliance/wasm/protocol/request-binding'
import { responseSecret, sealResponse } from '@freehold/appliance/wasm/protocol/response-seal'
import { sealRequest, type HostKey } from '@freehold/wasm-client/seal'
import { compileInChild } from 'wasmtime-node/compiler'
import { cpuMicros } from './cpu-time.ts'
import { adding } from './programs.ts'

const count = Number(process.argv[2] ?? 3000)
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const { x = '', y = '' } = pair.publicKey.export({ format: 'jwk' })
const recipient = {
  privateKey: pair.privateKey,
  publicRaw: Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]),
}
const key: HostKey = { kid: 'k1', kty: 'EC', crv: 'P-256', x, y, expires_at: '2100-01-01T00:00:00Z' }
const request = { function_name: 'main', arguments: [{ value: 40 }, { value: 2 }], timeout_seconds: 10 }
const bodies = await Promise.all(Array.from({ length: count }, async () => (await sealRequest(key, adding, request)).body))
const artifact = await compileInChild(adding)
const pool = new ExecutorPool({ workers: 1, engine: { slots: 128, threads: 1 } })
await pool.compatibility()

let [next, wrong] = [0, 0]
async function caller(): Promise<void> {
  for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
    const enc = Buffer.from(body.public_key, 'base64')
    const context = setupRecipient(recipient, enc, requestInfo(body.key_id))
    context.open(Buffer.from(body.encrypted_wasm, 'base64'), requestAad(body))
    const call = { program: 'add', functionName: 'main', values: body.arguments, gasLimit: 10n ** 9n, milliseconds: 10_000 }
    const end = await pool.run({ ...call, maxMemoryBytes: 2 ** 26, region: false }, artifact)
    const results = end.kind === 'outcome' ? end.outcome.results : null
    if (results?.[0]?.value !== 42) wrong += 1
    sealResponse(responseSecret(context), enc, canonicalJson({ results }), { requestId: 'r', resultCommitment: '', summary: {} })
  }
}
const used = () => [process.pid, ...pool.pids].reduce((sum, pid) => sum + cpuMicros(pid), 0)
const before = used()
const began = performance.now()
await Promise.all(Array.from({ length: 100 }, caller))
const perSecond = count / ((performance.now() - began) / 1000)
const cpuPerCall = (used() - before) / count
await pool.close()
process.stdout.write(JSON.stringify({ perSecond, wrong, cpuPerCall }))
