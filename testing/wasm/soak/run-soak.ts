import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@freehold/appliance/clock/clock'
import { verifyReceipt } from '@freehold/wasm-client/receipt'
import { fromText } from 'wasmtime-node/wat'
import { openStand, type Ran, type WasmStand } from '../stand/stand.ts'

export interface SoakOptions {
  /** Measured time; the warm-up before it is not counted. */
  seconds: number
  warmUpSeconds: number
  /** Calls that the warm-up takes at least. Default: as many as fill the caches. */
  warmUpCalls?: number
  /** Callers at once. */
  callers: number
  report(line: string): void
}

export interface Soaked {
  calls: number
  /** Answers that were not what they had to be. */
  wrong: string[]
  /** Median bytes of service and executors together in each half. */
  firstHalf: number
  secondHalf: number
}

interface Kind {
  name: string
  /** Of a hundred calls. */
  share: number
  make(n: number): Promise<{
    wasm: Uint8Array
    function_name?: string
    arguments?: { value: number | string }[]
    gas_limit?: string
    timeout_seconds?: number
  }>
  /** Undefined: as it has to be. */
  fault(ran: Ran, n: number): string | undefined
}

/** More programs than two executors and the service's memory hold. */
const programsKept = 400
const examples = join(import.meta.dirname, '../../../appliance/wasm-client/examples')
const example = (name: string): Buffer => readFileSync(join(examples, `${name}.wasm`))
const [collatz, primes] = [example('collatz'), example('primes')]
const adding = await fromText(
  '(module (func (export "main") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))',
)
const spin = await fromText('(module (func (export "main") (loop br 0)))')
const trap = await fromText(
  '(module (memory 16) (func (export "main") (memory.fill (i32.const 0) (i32.const 7) (i32.const 1048576)) unreachable))',
)

/** The answer is written in five bytes at the end of its code; its data make the caches full after some hundred of them. */
const padded = await fromText(
  `(module (memory 1) (func (export "main") (result i32) i32.const 0x7fffffff) (data (i32.const 0) "${'freehold'.repeat(6000)}"))`,
)
const answerAt = Buffer.from(padded).indexOf(Buffer.from([0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0b])) + 1

/** A program whose answer is its number, up to 2^27. */
function distinct(n: number): Uint8Array {
  const wasm = new Uint8Array(padded)
  for (let digit = 0; digit < 5; digit += 1) wasm[answerAt + digit] = ((n >> (7 * digit)) & 0x7f) | (digit < 4 ? 0x80 : 0)
  return wasm
}
const returns = (value: number | string) => (ran: Ran) =>
  ran.status === 200 && ran.opened?.results[0]?.value === value ? undefined : `not ${value}`
const refuses = (code: string, gas?: string) => (ran: Ran) =>
  ran.code === code && (gas === undefined || ran.summary?.gas_used === gas) ? undefined : `not ${code}`

const kinds: readonly Kind[] = [
  {
    name: 'add',
    share: 70,
    make: async (n) => Promise.resolve({ wasm: adding, arguments: [{ value: n }, { value: 5 }] }),
    fault: (ran, n) => returns((n + 5) | 0)(ran),
  },
  {
    name: 'collatz',
    share: 8,
    make: async () => Promise.resolve({ wasm: collatz, function_name: 'longest', arguments: [{ value: '10000' }] }),
    fault: returns('6171'),
  },
  {
    name: 'primes',
    share: 8,
    make: async () => Promise.resolve({ wasm: primes, function_name: 'primes', arguments: [{ value: 100_000 }] }),
    fault: returns(9592),
  },
  {
    name: 'one of many',
    share: 4,
    make: async (n) => Promise.resolve({ wasm: distinct(n % programsKept) }),
    fault: (ran, n) => returns(n % programsKept)(ran),
  },
  {
    name: 'new',
    share: 1,
    make: async (n) => Promise.resolve({ wasm: distinct(n + programsKept) }),
    fault: (ran, n) => returns((n + programsKept) | 0)(ran),
  },
  { name: 'trap', share: 5, make: async () => Promise.resolve({ wasm: trap }), fault: refuses('WASM_TRAP') },
  {
    name: 'out of gas',
    share: 3,
    make: async () => Promise.resolve({ wasm: spin, gas_limit: '300000' }),
    fault: refuses('GAS_EXHAUSTED', '300000'),
  },
  {
    name: 'late',
    share: 1,
    make: async () => Promise.resolve({ wasm: spin, gas_limit: '100000000000000', timeout_seconds: 1 }),
    fault: refuses('EXECUTION_TIMEOUT'),
  },
]

/** Calls of all kinds from several callers, every answer checked, memory looked at each second. */
export async function runSoak(options: SoakOptions): Promise<Soaked> {
  const stand = await openStand({ server: { workers: 2 } })
  try {
    return await soak(stand, options)
  } finally {
    await stand.close()
  }
}

async function soak(
  stand: WasmStand,
  { seconds, warmUpSeconds, warmUpCalls = 2 * programsKept, callers, report }: SoakOptions,
): Promise<Soaked> {
  const { host } = await stand.hostKeys()
  const [wrong, samples]: [string[], number[]] = [[], []]
  let [calls, n] = [0, 0]
  let over = false
  const deck = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind))
  async function caller(): Promise<void> {
    while (!over) {
      const turn = (n += 1)
      // the caches of programs are full first: what they may hold is no growth
      // 37 and the size of the deck have no common divisor: every kind has its share, well mixed
      const kind = turn <= programsKept ? kinds.find(({ name }) => name === 'one of many') : deck[(turn * 37) % deck.length]
      if (kind === undefined) return
      const { wasm, ...request } = await kind.make(turn)
      const ran = await stand.run(wasm, request)
      calls += 1
      const fault = kind.fault(ran, turn) ?? (turn % 20 === 0 ? await receiptFault(ran, host) : undefined)
      if (fault !== undefined) wrong.push(`${kind.name} ${turn}: ${fault}: ${JSON.stringify(ran.body).slice(0, 300)}`)
    }
  }
  const running = Promise.all(Array.from({ length: callers }, caller))
  await systemClock.wait(warmUpSeconds * 1000)
  // a slow machine takes longer to fill the caches, and what fills them is no growth
  while (n < warmUpCalls && wrong.length === 0) await systemClock.wait(200)
  const [begun, before] = [systemClock.monotonicMs(), calls]
  while (systemClock.monotonicMs() - begun < seconds * 1000) {
    await systemClock.wait(1000)
    samples.push(stand.residentBytes())
    if (samples.length % 15 === 0)
      report(
        `${samples.length} s: ${calls - before} calls, ${wrong.length} wrong, ${mib(samples.at(-1) ?? 0)} MiB (${stand.residentEach().map(mib).join(', ')})`,
      )
  }
  over = true
  await running
  const half = Math.floor(samples.length / 2)
  return { calls, wrong, firstHalf: median(samples.slice(0, half)), secondHalf: median(samples.slice(half)) }
}

async function receiptFault(ran: Ran, host: Record<string, unknown>): Promise<string | undefined> {
  const receipt = await verifyReceipt(ran.receipt ?? '', host as Parameters<typeof verifyReceipt>[1]).catch(() => undefined)
  if (receipt === undefined) return 'its receipt does not verify'
  return receipt.gas_used === ran.summary?.gas_used && receipt.request_id === ran.body['request_id']
    ? undefined
    : 'another receipt'
}

export function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
