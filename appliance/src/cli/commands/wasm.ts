import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createWasmClient, WasmCallError, WasmTrustError, type RunResult, type WasmClient } from '@freehold/wasm-client/client'
import type { Argument } from '@freehold/wasm-client/seal'
import type { Command } from 'commander'
import type { JWK } from 'jose'
import { z } from 'zod'
import { newWasmKeySchema, wasmSchema, type NewWasmKey } from '../../api/schemas/wasm.ts'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { CliContext } from '../context.ts'
import { localhostFetch } from '../localhost-fetch.ts'
import { exitCodes, parseDuration, printJson, printLine, printTable, say, whenText } from '../output.ts'
import { keepWasm, keyFromFile, knownWasm, type KnownWasm } from '../wasm-keys-file.ts'

type Make = (command: Command) => CliContext

interface RunOptions {
  timeout: string
  gas?: string
  url?: string
  keyFile?: string
  receipt?: string
}

const fresh = () => ({ 'idempotency-key': randomBytes(16).toString('hex') })
const progressAfterMs = 2000

/** A value of the command line: `42`, `-1`, `1.5`, `nan`, `42:i64`. Whole numbers beyond 2^53 travel as text. Throws `bad-input`. */
export function argumentOf(text: string): Argument {
  const match = /^(-?\d+|-?\d*\.\d+(?:e[+-]?\d+)?|nan|-?inf)(?::(i32|i64|f32|f64))?$/i.exec(text)
  const [, value = '', type] = match ?? []
  if (match === null) {
    throw new AppError({
      code: 'bad-input',
      detail: `"${text}" is no number.`,
      hint: 'Write 42, -1, 1.5, nan, inf, or with a type 42:i64. After -- a negative number is no option.',
    })
  }
  const typed = type === undefined ? {} : { type: type.toLowerCase() as NonNullable<Argument['type']> }
  if (/^-?\d+$/.test(value)) return { value: Number.isSafeInteger(Number(value)) ? Number(value) : value, ...typed }
  const words: Record<string, string> = { nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' }
  const word = words[value.toLowerCase()]
  return { value: word ?? Number(value), ...typed }
}

/** `freehold wasm`: run programs, keep keys, check receipts. */
export function registerWasmCommands(program: Command, make: Make): void {
  const wasm = program.command('wasm').description('run WebAssembly programs on the host; keys; receipts')

  wasm
    .command('run')
    .argument('<program>', 'file with a WebAssembly module')
    .argument('<function>', 'exported function to call')
    .argument('[arguments...]', 'numbers, such as 42, 1.5 or 42:i64')
    .option('--timeout <duration>', 'how long it may run', '10s')
    .option('--gas <amount>', 'how much gas it may spend; default: what the host allows a run')
    .option('--url <url>', 'where WASM hosting is; default: what the host says')
    .option('--key-file <file>', 'file of mode 0600 with an API key; default: the one of this terminal, made on first use')
    .option('--receipt <file>', 'write the signed receipt there')
    .description('seal a program, run it, open and check the answer')
    .action(async (file: string, name: string, values: string[], own: RunOptions, command: Command) => {
      const context = make(command)
      const bytes = await moduleOf(file)
      const args = values.map(argumentOf)
      const timeout = parseDuration(own.timeout)
      if (timeout > 300)
        throw new AppError({ code: 'bad-input', detail: 'A run may take 300 s at most.', hint: 'Give --timeout 300s or less.' })
      if (own.gas !== undefined && !/^[1-9]\d{0,17}$/.test(own.gas)) {
        throw new AppError({ code: 'bad-input', detail: `"${own.gas}" is no amount of gas.`, hint: 'Write a whole number.' })
      }
      const { client } = await clientFor(context, own)
      const request = {
        function_name: name,
        arguments: args,
        timeout_seconds: timeout,
        client_id: 'freehold-cli',
        ...(own.gas !== undefined && { gas_limit: own.gas }),
      }
      const result = await withProgress(timeout, (signal) => client.run(bytes, request, signal)).catch((error: unknown) =>
        refuse(error, bytes, own.receipt),
      )
      if (own.receipt !== undefined) await writeFile(own.receipt, `${result.jws}\n`)
      if (context.options.json) return printJson(viewOf(result))
      for (const { value } of result.results) printLine(String(value))
      say(
        `${String(result.summary['gas_used'])} gas, ${String(result.summary['run_ms'])} ms; receipt ${result.receipt.index} checked`,
      )
    })

  wasm
    .command('verify')
    .argument('<receipt>', 'file with a signed receipt')
    .option('--url <url>', 'where WASM hosting is; default: what the host says')
    .option('--key-file <file>', 'file of mode 0600 with an API key')
    .description('check that a receipt is signed by the host and stands in its log')
    .action(async (file: string, own: RunOptions, command: Command) => {
      const context = make(command)
      const jws = (await readFile(file, 'utf8').catch((cause: unknown) => unreadable(file, cause))).trim()
      const { client } = await clientFor(context, own)
      const { receipt, included, proof } = await client.check(jws).catch((error: unknown) => refuse(error))
      if (context.options.json) return printJson({ signed: true, included, receipt, proof: proof ?? null })
      printTable([
        ['signed by the host', 'yes'],
        ['in its log', included ? `yes, place ${receipt.index} of ${proof?.size}` : 'no proof was given'],
        ['status', receipt.status],
        ['gas', `${receipt.gas_used}${receipt.gas_exact ? '' : ' (at least)'}`],
        ['ended', new Date(receipt.ended_at).toISOString()],
        ['program', receipt.program],
      ])
      if (!included) throw new AppError({ code: 'wasm-untrusted', detail: 'The receipt could not be shown to stand in the log.' })
    })

  const keys = wasm.command('keys').description('API keys of the wallet that signs')
  keys
    .command('list')
    .description('the keys, never their text')
    .action(async (_, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const view = await context.client.call(wasmSchema, 'GET', '/v1/wasm')
      if (context.options.json) return printJson(view.keys)
      if (view.keys.length === 0) return say('No keys yet. Make one: freehold wasm keys create LABEL')
      printTable([
        ['ID', 'LABEL', 'MAY', 'STATE', 'LAST USED'],
        ...view.keys.map((key) => [
          key.id,
          key.label,
          key.scopes.join(' '),
          stateOf(key, view.now),
          key.lastUsedAt === null ? 'never' : whenText(key.lastUsedAt, view.now),
        ]),
      ])
    })
  keys
    .command('create')
    .argument('<label>', 'what it is for')
    .option('--for <duration>', 'how long it counts, such as 30d; default: until it is revoked')
    .description('make a key; it is shown this once')
    .action(async (label: string, own: { for?: string }, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const made = await newKey(context, { label, ...(own.for !== undefined && { expiresInSeconds: parseDuration(own.for) }) })
      show(context, made)
    })
  keys
    .command('rotate')
    .argument('<id>')
    .description('make its successor; the old one goes on for a day')
    .action(async (id: string, _, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const path = `/v1/wasm/keys/${encodeURIComponent(id)}/rotation`
      show(context, await context.client.call(newWasmKeySchema, 'POST', path, { headers: fresh() }))
    })
  keys
    .command('revoke')
    .argument('<id>')
    .description('end a key at once')
    .action(async (id: string, _, command: Command) => {
      const context = make(command)
      await context.signedIn()
      await context.client.call(z.null(), 'DELETE', `/v1/wasm/keys/${encodeURIComponent(id)}`)
      if (context.options.json) return printJson({ revoked: id })
      say(`${id} is revoked.`)
    })
}

function show(context: CliContext, made: NewWasmKey): void {
  if (context.options.json) return printJson(made)
  say('Keep it now: it is not shown again.')
  printLine(made.text)
}

function stateOf(key: { revokedAt: number | null; expiresAt: number | null }, now: number): string {
  if (key.revokedAt !== null && key.revokedAt <= now) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= now) return 'expired'
  const end = Math.min(key.revokedAt ?? Infinity, key.expiresAt ?? Infinity)
  return Number.isFinite(end) ? `until ${whenText(end, now)}` : 'counts'
}

async function newKey(context: CliContext, body: object): Promise<NewWasmKey> {
  return await context.client.call(newWasmKeySchema, 'POST', '/v1/wasm/keys', { body, headers: fresh() })
}

/** The service and a key for it: of the options, of an earlier call, or made now by whoever signs. */
async function clientFor(context: CliContext, own: RunOptions): Promise<{ client: WasmClient }> {
  const origin = new URL(context.options.host).origin
  if (own.keyFile !== undefined) {
    const apiKey = await keyFromFile(own.keyFile)
    return {
      client: createWasmClient({ url: own.url ?? defaultUrl(origin), apiKey, hostKey: 'first-seen', fetch: localhostFetch }),
    }
  }
  const wallet = await context.chosenWallet()
  const who = wallet?.address.toLowerCase()
  let known = await knownWasm(origin, who)
  if (known === undefined || !(await counts(known))) known = await makeKnown(context, origin)
  const url = own.url ?? known.url
  const hostKey = known.hostKey === null ? 'first-seen' : (known.hostKey as JWK)
  const client = createWasmClient({ url, apiKey: known.text, hostKey, fetch: localhostFetch })
  if (known.hostKey === null && who !== undefined) {
    const seen = await client.keys().catch((error: unknown) => refuse(error))
    await keepWasm(origin, who, { ...known, hostKey: { ...seen.hostKey } })
  }
  return { client }
}

/** Whether the kept key is still one: a wallet may have revoked it elsewhere. A service that is down proves nothing. */
async function counts({ url, text }: KnownWasm): Promise<boolean> {
  const answer = await localhostFetch(`${url}/v1/verify/none?commitment_type=result&hash_value=${'0'.repeat(64)}`, {
    headers: { 'x-api-key': text },
  }).catch(() => undefined)
  return answer?.status !== 401
}

async function makeKnown(context: CliContext, origin: string): Promise<KnownWasm> {
  const wallet = await context.signedIn()
  const { url } = await context.client.call(wasmSchema, 'GET', '/v1/wasm')
  const { id, text } = await newKey(context, { label: 'freehold command line' })
  const known: KnownWasm = { url, keyId: id, text, hostKey: null }
  await keepWasm(origin, wallet.address.toLowerCase(), known)
  return known
}

function defaultUrl(origin: string): string {
  const url = new URL(origin)
  url.hostname = `wasm.${url.hostname}`
  return url.origin
}

async function moduleOf(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => unreadable(file, cause))
  if (bytes.subarray(0, 4).equals(Buffer.from([0, 0x61, 0x73, 0x6d]))) return bytes
  throw new AppError({
    code: 'bad-input',
    detail: `${file} is no WebAssembly module.`,
    hint: 'Name a compiled .wasm file; text (.wat) and source code have to be compiled first.',
  })
}

function unreadable(file: string, cause: unknown): never {
  throw new AppError({ code: 'bad-input', detail: `${file} could not be read.`, hint: 'Check the name of the file.', cause })
}

/** A line on stderr each second once it takes longer than two. Ctrl-C ends the run at the host as well. */
async function withProgress<T>(seconds: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  const startedMs = systemClock.monotonicMs()
  const onInterrupt = (): void => {
    abort.abort()
    process.exitCode = exitCodes.interrupted
  }
  process.once('SIGINT', onInterrupt)
  const timer = setInterval(() => {
    const elapsed = systemClock.monotonicMs() - startedMs
    if (elapsed >= progressAfterMs) say(`${String(Math.round(elapsed / 1000)).padStart(4)} s  running, at most ${seconds} s`)
  }, 1000)
  try {
    return await run(abort.signal)
  } finally {
    clearInterval(timer)
    process.removeListener('SIGINT', onInterrupt)
  }
}

const hints: Record<string, string> = {
  ALLOWANCE_SPENT: 'It is whole again at midnight UTC. More: freehold plans, then buy or extend.',
  UNAUTHORIZED: 'Make another key: freehold wasm keys create LABEL',
  GAS_EXHAUSTED: 'Give more with --gas, as far as your plan reaches.',
  EXECUTION_TIMEOUT: 'Give more with --timeout, as far as the host allows.',
  MEMORY_EXCEEDED: 'Make the program use less memory.',
  IMPORTS_NOT_ALLOWED: 'Build it freestanding: without WASI and without imports.',
  RATE_LIMITED: 'Wait a moment, then try again.',
  CAPACITY_EXCEEDED: 'The host is full; try again in a moment.',
}

/** What a person reads of a failure; a run that ended badly has a receipt too. */
async function refuse(error: unknown, wasm?: Uint8Array, receiptFile?: string): Promise<never> {
  if (error instanceof WasmTrustError) throw new AppError({ code: 'wasm-untrusted', detail: error.message, cause: error })
  if (error instanceof WasmCallError) {
    // the client has held it to the run before it threw
    const receipt = error.facts['receipt']
    if (typeof receipt === 'string' && receiptFile !== undefined) await writeFile(receiptFile, `${receipt}\n`)
    const summary = error.facts['execution_summary'] as Record<string, unknown> | undefined
    const spent = summary === undefined ? '' : ` ${String(summary['gas_used'])} gas were used.`
    const named = wasm !== undefined && (error.code === 'FUNCTION_NOT_FOUND' || error.code === 'INVALID_ARGUMENTS')
    throw new AppError({
      code: error.code === 'UNAUTHORIZED' ? 'not-signed-in' : summary === undefined ? 'wasm-refused' : 'wasm-failed',
      detail: `${error.message}${spent} [${error.code}, request ${error.requestId}]`,
      hint: named
        ? `It exports: ${exportsOf(wasm)}.`
        : (hints[error.code] ?? 'See the message; nothing else is to be done here.'),
      cause: error,
    })
  }
  if (error instanceof TypeError || (error instanceof Error && error.name === 'AbortError')) {
    throw new AppError({
      code: 'wasm-down',
      detail: error.name === 'AbortError' ? 'The run was given up.' : 'Nothing answers where WASM hosting should be.',
      hint: 'Check --host and --url, or try again in a moment.',
      cause: error,
    })
  }
  throw error
}

/** Of the engine that runs this program; its types come with a browser's. */
const { WebAssembly: engine } = globalThis as unknown as {
  WebAssembly: { Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string; kind: string }[] } }
}

function exportsOf(wasm: Uint8Array): string {
  try {
    const functions = engine.Module.exports(new engine.Module(Uint8Array.from(wasm))).filter((e) => e.kind === 'function')
    return functions.map((e) => e.name).join(', ') || 'no function at all'
  } catch {
    return 'nothing that could be read'
  }
}

function viewOf({ requestId, results, region, summary, receipt, jws }: RunResult): Record<string, unknown> {
  return { requestId, results, ...(region !== undefined && { region }), summary, receipt, jws }
}
