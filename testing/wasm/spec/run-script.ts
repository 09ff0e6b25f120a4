import type { Engine, Module, Outcome } from 'wasmtime-node/engine'
import { checkModule, defaultModuleLimits } from 'wasmtime-node/limits'
import { WasmError } from 'wasmtime-node/errors'
import { driverName, driverOf, idle, NoDriver, withDrivers } from './drivers.ts'
import { matches } from './expected.ts'
import type { SpecAction, SpecCommand, SpecScript } from './script.ts'
import { readSections, type Sections } from './sections.ts'

/** What became of a script's checks: how many held, why others were left out, which failed. */
export interface Tally {
  passed: number
  left: Map<string, number>
  failed: string[]
}

export const newTally = (): Tally => ({ passed: 0, left: new Map(), failed: [] })

interface Loaded {
  sections: Sections
  module: Module
  /** Drivers of the actions that have had their turn and ended well: the state that the next one finds. */
  past: string[]
  /** Number of the driver of each action. */
  drivers: Map<SpecCommand, number>
  why: Map<SpecCommand, string>
  /** Other modules may import it and change its state from then on. */
  shared: boolean
}

// bulk operations pay for their length before they look at the bounds, and some tests ask for four billion bytes
const call = { gasLimit: 10n ** 18n, milliseconds: 20_000 }

/**
 * Runs one official test file through the package's API. Each action is a fresh instance in which the earlier ones have been
 * made again, so state is what the test expects of one instance.
 */
export async function runScript(script: SpecScript, engine: Engine, compiler: Engine, tally: Tally): Promise<void> {
  const leave = (why: string, count = 1): unknown => tally.left.set(why, (tally.left.get(why) ?? 0) + count)
  const fail = (line: number, what: string): unknown => tally.failed.push(`${script.name}:${line}: ${what}`)
  const hold = (line: number, ok: boolean, what: () => string): unknown => (ok ? (tally.passed += 1) : fail(line, what()))
  const named = new Map<string, Loaded | string>()
  let current: Loaded | string = 'no module'
  for (const [at, command] of script.commands.entries()) {
    switch (command.type) {
      case 'module': {
        current = loadModule(script, at, engine, compiler)
        if (command.name !== undefined) named.set(command.name, current)
        if (typeof current === 'string') leave(current)
        else {
          const outcome = await current.module.run(idle, [], call)
          hold(command.line, outcome.status === 'returned', () => `it does not instantiate: ${said(outcome)}`)
        }
        break
      }
      case 'assert_invalid':
      case 'assert_malformed': {
        const name = command.module_type === 'text' ? command.binary_filename : command.filename
        if (name === undefined) leave('text that has no binary form')
        else hold(command.line, isRefused(compiler, script.bytes(name)), () => `it is taken, and ${command.text}`)
        break
      }
      case 'assert_unlinkable':
        // without imports nothing can fail to link: they are refused before
        hold(command.line, isRefused(undefined, script.bytes(command.filename)), () => 'its imports are taken')
        break
      case 'assert_uninstantiable': {
        const loaded = loadModule(script, at, engine, compiler)
        if (typeof loaded === 'string') leave(loaded)
        else {
          const outcome = await loaded.module.run(idle, [], call)
          hold(command.line, isTrap(outcome, command.text), () => `${said(outcome)}, not ${command.text}`)
        }
        break
      }
      case 'register': {
        const loaded = command.name === undefined ? current : named.get(command.name)
        if (typeof loaded === 'object') loaded.shared = true
        break
      }
      case 'action':
      case 'assert_return':
      case 'assert_trap':
      case 'assert_exhaustion': {
        const loaded = command.action.module === undefined ? current : (named.get(command.action.module) ?? 'no module')
        if (typeof loaded === 'string') leave(loaded)
        else await act(loaded, command, leave, hold)
      }
    }
  }
}

type Acting = Extract<SpecCommand, { action: SpecAction }>

async function act(
  loaded: Loaded,
  command: Acting,
  leave: (why: string) => unknown,
  hold: (line: number, ok: boolean, what: () => string) => unknown,
): Promise<void> {
  const why = loaded.why.get(command)
  const n = loaded.drivers.get(command)
  if (n === undefined) return void leave(why ?? 'no driver')
  if (loaded.shared && loaded.sections.stateful) return void leave('imports: its state is shared with modules that import it')
  const before = loaded.past.map((name) => ({ name, values: [] }))
  const outcome = await loaded.module.run(driverName(n), [], { ...call, before })
  if (command.type === 'assert_return' || command.type === 'action') {
    if (loaded.sections.stateful) loaded.past.push(driverName(n))
    const ok = outcome.status === 'returned' && (command.type === 'action' || matches(command.expected, outcome.results ?? []))
    return void hold(command.line, ok, () => `${command.action.field}: ${said(outcome)}`)
  }
  const text = command.type === 'assert_exhaustion' ? 'call stack exhausted' : command.text
  hold(command.line, isTrap(outcome, text), () => `${command.action.field}: ${said(outcome)}, not ${text}`)
}

/** The module at a place of the script with drivers for all that is done to it; a word where it cannot be run here. */
function loadModule(script: SpecScript, at: number, engine: Engine, compiler: Engine): Loaded | string {
  const command = script.commands[at]
  if (command === undefined || !('filename' in command)) return 'no module'
  const filename = command.module_type === 'text' ? command.binary_filename : command.filename
  if (filename === undefined) return 'text that has no binary form'
  const wasm = script.bytes(filename)
  const refused = refusal(wasm)
  if (refused !== undefined) return refused
  try {
    compiler.compile(wasm)
  } catch (error) {
    return error instanceof WasmError ? `refused: ${featureOf(error.message)}` : String(error)
  }
  const sections = readSections(wasm)
  const mine = actionsOn(script.commands, at)
  const [drivers, why] = [new Map<SpecCommand, number>(), new Map<SpecCommand, string>()]
  const made = mine.map((one, n) => {
    try {
      const driver = driverOf(sections, one.action)
      drivers.set(one, n)
      return driver
    } catch (error) {
      if (!(error instanceof NoDriver)) throw error
      why.set(one, error.message)
      return undefined
    }
  })
  return { sections, module: engine.load(compiler.compile(withDrivers(sections, made))), past: [], drivers, why, shared: false }
}

/** The commands that act on the module made at this place. */
export function actionsOn(commands: readonly SpecCommand[], at: number): Acting[] {
  const made = commands[at]
  const name = made?.type === 'module' ? made.name : undefined
  const acting: Acting[] = []
  let isCurrent = true
  for (const command of commands.slice(at + 1)) {
    if (command.type === 'module') isCurrent = false
    if (!('action' in command)) continue
    if (command.action.module === undefined ? isCurrent : command.action.module === name) acting.push(command)
  }
  return acting
}

function refusal(wasm: Buffer): string | undefined {
  try {
    checkModule(wasm, { ...defaultModuleLimits, bytes: 16 * 2 ** 20 })
    return undefined
  } catch (error) {
    if (!(error instanceof WasmError)) throw error
    return error.code === 'imports-not-allowed' ? 'imports' : `refused: ${error.message.replace(/[0-9]+/g, 'N')}`
  }
}

/** With a compiler: the engine itself refuses it. Without: what stands before the engine does. */
function isRefused(compiler: Engine | undefined, wasm: Buffer): boolean {
  try {
    if (compiler === undefined) checkModule(wasm)
    else compiler.compile(wasm)
    return false
  } catch (error) {
    if (error instanceof WasmError) return true
    throw error
  }
}

/** The feature that a refused module wanted, so that a list of them stays short. */
function featureOf(message: string): string {
  return message.replace(/^the module was refused: /, '').replace(/0x[0-9a-f]+|[0-9]+/g, 'N')
}

/** The specification's words for traps beside the engine's, where they differ. */
const engineWords: Record<string, string> = {
  unreachable: '`unreachable` instruction executed',
  'undefined element': 'undefined element',
  undefined: 'undefined element',
  'uninitialized element': 'uninitialized element',
  uninitialized: 'uninitialized element',
  'call stack exhausted': 'call stack exhausted',
}

function isTrap(outcome: Outcome, text: string): boolean {
  const [first = text] = Object.entries(engineWords).flatMap(([word, words]) => (text.startsWith(word) ? [words] : []))
  return outcome.status === 'trapped' && (outcome.detail ?? '').includes(first.replace(/ \d+$/, ''))
}

function said(outcome: Outcome): string {
  return `${outcome.status} ${outcome.detail ?? ''} ${JSON.stringify(outcome.results)}`
}
