import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { wasmdFlags, wasmdMalloc } from '@freehold/appliance/dev/daemon-limits'
import { sealRequest, type HostKey, type OpenedAnswer, type RunRequest, type SealedAnswer } from '@freehold/wasm-client/seal'

/** What a call came to: HTTP status, the code of a refusal, the answer opened where there is one. */
export interface Ran {
  status: number
  code: string | undefined
  body: Record<string, unknown>
  opened: OpenedAnswer | undefined
  summary: Summary | undefined
  receipt: string | undefined
}

export interface Summary {
  status: string
  gas_used: string
  gas_exact: boolean
  gas_billed: string
  run_ms: number
}

/** A running service in its own process, with a client of the public kind. */
export interface WasmStand {
  pid: number
  origin: string
  apiKey: string
  hostKeys(): Promise<{ key: HostKey; host: Record<string, unknown> }>
  run(wasm: Uint8Array, request?: Partial<RunRequest>): Promise<Ran>
  get(path: string): Promise<{ status: number; body: Record<string, unknown> }>
  /** Pids of the executors. */
  executors(): number[]
  /** Bytes that the service and its executors hold, shared pages counted in parts. */
  residentBytes(): number
  /** The same with the compilers. */
  residentWithCompilers(): number
  /** The same of each: the service, then its executors. */
  residentEach(): number[]
  close(): Promise<void>
}

/** Starts it; `config` as in the configuration file. Gas costs nothing there. */
export async function openStand(config: Record<string, unknown> = {}): Promise<WasmStand> {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-wasm-'))
  const whole = { payment: { free_gas_per_day: '10000000000000000000' }, ...config }
  const child = spawn(process.execPath, [...wasmdFlags, join(import.meta.dirname, 'host.ts'), JSON.stringify(whole), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', ...wasmdMalloc },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const first = await Promise.race([
    createInterface({ input: child.stdout })[Symbol.asyncIterator]().next(),
    ended.then(() => Promise.reject(new Error('the service ended before it was ready'))),
  ])
  const { port, apiKey } = JSON.parse(String(first.value)) as { port: number; apiKey: string }
  const origin = `http://127.0.0.1:${port}`
  const pid = child.pid ?? 0
  const get = async (path: string) => {
    const answer = await fetch(`${origin}${path}`, { headers: { 'x-api-key': apiKey } })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const hostKeys = async () => {
    const { body } = await get('/v1/keys')
    const [key] = body['keys'] as HostKey[]
    if (key === undefined) throw new Error('the service offers no key')
    return { key, host: body['host_key'] as Record<string, unknown> }
  }
  const residentEach = () => [pid, ...childrenOf(pid)].map(proportionalBytes)
  let keys = hostKeys()
  return {
    pid,
    origin,
    apiKey,
    hostKeys,
    get,
    async run(wasm, request = {}) {
      const { key } = await keys
      const sealed = await sealRequest(key, wasm, { function_name: 'main', arguments: [], timeout_seconds: 10, ...request })
      const answer = await fetch(`${origin}/v1/execute`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
        body: JSON.stringify(sealed.body),
      })
      const body = (await answer.json()) as Record<string, unknown>
      if (body['error_code'] === 'KEY_EXPIRED') keys = hostKeys()
      const isSealed = typeof body['encrypted_result'] === 'string'
      return {
        status: answer.status,
        code: body['error_code'] as string | undefined,
        body,
        opened: isSealed ? await sealed.open(body as unknown as SealedAnswer) : undefined,
        summary: body['execution_summary'] as Summary | undefined,
        receipt: body['receipt'] as string | undefined,
      }
    },
    executors: () => childrenOf(pid),
    residentBytes: () => residentEach().reduce((sum, one) => sum + one, 0),
    residentWithCompilers: () => [pid, ...childrenOf(pid, true)].map(proportionalBytes).reduce((sum, one) => sum + one, 0),
    residentEach,
    async close() {
      child.stdin.end()
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Children of a process that run executors; compilers come and go beside them, and count where `all` are asked for. */
function childrenOf(pid: number, all = false): number[] {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
    return pids.filter((one) => all || readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('executor-child'))
  } catch {
    return []
  }
}

/** A process that just ended holds nothing. */
function proportionalBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
