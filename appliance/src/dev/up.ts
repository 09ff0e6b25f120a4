import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultStateFolder } from '../cli/context.ts'
import { exitCodes, printError, printJson, printTable, say } from '../cli/output.ts'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { buildPages, buildTemplate, buildWasmEngine, checkout } from './builds.ts'
import { runDemo } from './demo.ts'
import { startEmbedded, type Embedded } from './embedded.ts'
import { withWasm } from './wasm-process.ts'

function readArguments(): {
  demo: boolean
  json: boolean
  fake: boolean
  wizard: boolean
  wasm: boolean
  state: string
  answers: string
} {
  try {
    const { values } = parseArgs({
      options: {
        yes: { type: 'boolean' },
        demo: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        fake: { type: 'boolean', default: false },
        wizard: { type: 'boolean', default: false },
        wasm: { type: 'boolean', default: false },
        state: { type: 'string' },
        answers: { type: 'string', default: resolve(checkout, 'scripts/embedded.yaml') },
      },
    })
    const state = values.state ?? join(defaultStateFolder(), values.fake ? 'fake' : '')
    const { demo, json, fake, wizard, wasm } = values
    return { demo, json, fake, wizard, wasm, state: resolve(state), answers: resolve(values.answers) }
  } catch (cause) {
    throw new AppError({ code: 'bad-input', detail: (cause as Error).message, hint: 'See ./scripts/up.sh --help', cause })
  }
}

const startedMs = systemClock.monotonicMs()
const seconds = () => ((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)
const report = (line: string) => say(`${seconds().padStart(6)} s  ${line}`)

let embedded: Embedded | undefined
/** Ends what a start that has not finished has begun. */
let halfStarted: (() => Promise<void>) | undefined
let stopping: Promise<void> | undefined
function stop(code: number): Promise<void> {
  stopping ??= (async () => {
    report('stopping')
    await (embedded?.stop ?? halfStarted)?.()
    process.exit(code)
  })()
  return stopping
}
process.on('SIGINT', () => void stop(exitCodes.interrupted))
process.on('SIGTERM', () => void stop(exitCodes.done))

try {
  const options = readArguments()
  const phases: { name: string; seconds: number }[] = []
  const phase = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const from = systemClock.monotonicMs()
    report(name)
    const result = await work()
    phases.push({ name, seconds: Math.round((systemClock.monotonicMs() - from) / 100) / 10 })
    return result
  }
  const quietly = (line: string) => report(`  ${line.slice(0, 120)}`)
  if (!options.fake) await phase('guest image', () => buildTemplate(quietly))
  const pages = await phase('pages', () => buildPages(quietly))
  if (options.wasm) await phase('WASM engine', () => buildWasmEngine(quietly))
  const written = await readFile(options.answers, 'utf8')
  const text = options.wasm ? withWasm(written) : written
  const running = await phase('processes', () =>
    startEmbedded({
      stateFolder: options.state,
      // the same product on the fake hypervisor: no machine is started, no root is needed
      answers: options.fake ? text.replace(/^hypervisor:\n {2}kind: libvirt$/m, 'hypervisor:\n  kind: fake') : text,
      answersFile: options.answers,
      wizard: options.wizard,
      pages,
      devWallets: true,
      report: (p) => report(`  ${p}`),
      stopper: (stopAll) => (halfStarted = stopAll),
    }),
  )
  embedded = running
  if (options.wizard) {
    report(`the wizard waits at ${running.origin}/setup; the code: freehold --state ${options.state} console-screen --once`)
    await new Promise<void>(() => undefined)
  }
  await phase('setup', () => running.setUp((line) => report(`  ${line}`)))
  report('the storefront is open')
  if (options.demo) {
    const result = await runDemo(running.origin, report)
    const all = { ...result, phases: [...phases, ...result.phases] }
    if (options.json) printJson(all)
    else {
      printTable([['PHASE', 'SECONDS'], ...all.phases.map((p) => [p.name, p.seconds.toFixed(1)])])
      process.stdout.write(`\n${result.vm.ssh}\n${result.login.stdout}\n`)
    }
    await stop(result.login.exitCode === 0 ? exitCodes.done : exitCodes.failed)
  } else {
    process.stdout.write(
      [
        '',
        `Storefront: ${running.origin}`,
        'Buy a VM in the browser with any wallet on the local network, or here with a development wallet:',
        '  appliance/bin/freehold plans',
        '  appliance/bin/freehold --dev-wallet 4 buy Small --for 8d',
        'Then type the ssh line that it prints, and approve what the terminal shows:',
        '  appliance/bin/freehold --dev-wallet 4 approve CODE',
        'Move time: appliance/bin/freehold dev advance 8d',
        `State and logs: ${options.state}`,
        'Ctrl-C stops everything.',
        '',
      ].join('\n'),
    )
    await new Promise<void>(() => undefined)
  }
} catch (error) {
  const code = printError(error)
  await stop(code)
}
