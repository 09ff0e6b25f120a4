// The hosting service in a process of its own, as a host runs it: prints one line of JSON with its address and a key, ends when its
// standard input does. Arguments: the configuration as JSON, the folder.
import type { AddressInfo } from 'node:net'
import { systemClock } from '@freehold/appliance/clock/clock'
import { openWasm } from '@freehold/appliance/wasm/open-wasm'
import { wasmConfigSchema } from '@freehold/appliance/wasm/wasm-config'

const [, , config = '{}', folder = ''] = process.argv
const service = await openWasm({ config: wasmConfigSchema.parse(JSON.parse(config)), folder, clock: systemClock })
await service.app.listen({ host: '127.0.0.1', port: 0 })
const { text: apiKey } = service.apiKeys.create({
  label: 'stand',
  scopes: ['execute', 'verify', 'metrics', 'admin'],
  wallet: null,
  expiresAt: null,
})
const { port } = service.app.server.address() as AddressInfo
process.stdout.write(`${JSON.stringify({ port, apiKey })}\n`)
process.stdin.resume().once('end', () => void service.close().then(() => process.exit(0)))
