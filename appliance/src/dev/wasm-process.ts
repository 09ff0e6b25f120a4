import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { loadWasmConfig } from '../wasm/load-wasm-config.ts'
import { wasmSocketOf } from '../wasm/start-wasm.ts'
import { checkout } from './builds.ts'
import { wasmdFlags, wasmdMalloc } from './daemon-limits.ts'
import type { ProcessSpec } from './supervisor.ts'

/** An answer file that sells WebAssembly as well: one plan more, and the service on. Pure. */
export function withWasm(answers: string): string {
  const plan = `  - name: Functions
    kind: wasm
    gasPerDay: "1000000000000"
    graceDays: 7
    capacity: 100
    prices: { native: "100000000000000", dev-token: "50000" }
`
  return `${answers.replace(/^hypervisor:/m, `${plan}\nhypervisor:`).trimEnd()}\n\nwasm:\n  enabled: true\n`
}

/** freehold-wasmd of embedded mode; its configuration is `wasm.yaml` in the state folder, all defaults if there is none. */
export async function wasmProcess(
  config: Config,
  stateFolder: string,
): Promise<{ process: ProcessSpec; port: number; site: { host: string; upstream: string } }> {
  const file = join(stateFolder, 'wasm.yaml')
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) await writeFile(file, '# Fields and defaults: appliance/src/wasm/wasm-config.ts\n', { mode: 0o600 })
  const { server } = await loadWasmConfig(file)
  const { url } = config.wasm
  const { host } = new URL(config.origin)
  const upstream = `${server.host}:${server.port}`
  return {
    port: server.port,
    site: { host: url === undefined ? `wasm.${host}` : new URL(url).host, upstream },
    process: {
      name: 'freehold-wasmd',
      command: process.execPath,
      args: [
        ...wasmdFlags,
        join(checkout, 'appliance/src/dev/wasmd.ts'),
        join(stateFolder, 'clock-offset'),
        '--config',
        file,
        '--state',
        join(stateFolder, 'wasm'),
        '--host-socket',
        wasmSocketOf(config, stateFolder),
      ],
      env: wasmdMalloc,
      ready: async () => (await fetch(`http://${upstream}/health/live`, { signal: AbortSignal.timeout(2000) })).ok,
      readyWithinSeconds: 30,
      stopWithinSeconds: 20,
    },
  }
}
