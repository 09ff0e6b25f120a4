// Runs the tiers one after the other, prints minutes per tier and ends with `N passed, N failed[, N skipped]`.
// A tier without a single test fails; so does a skip that scripts/allowed-skips.txt does not name.
// Real parts on a shared machine are now and then disturbed: what failed is run once more (few files of node:test, each test of
// a browser), and is told as unsteady where that passes. `--all` runs nothing twice: there an unsteady test is a failure.
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { failedFiles, readLines } from './tiers/by-file.ts'
import { countForgeOrTap, countNodeTest, countPlaywright, countTap, secondsByFile, type Counts } from './tiers/counts.ts'
import { capabilityOf, ofWallTime, shareLines, type Capability } from './tiers/shares.ts'

const root = resolve(import.meta.dirname, '..')
const all = process.env['FREEHOLD_ALL'] === '1'

interface Tier {
  name: string
  commands: readonly (readonly string[])[]
  cwd?: string
  env?: Record<string, string>
  count(output: string): Counts
  /** Whose share of CI its commands are, where no path tells. */
  area?: Capability
  /** Minutes after which a tier is ended: a hang is a failure, not a wait. */
  minutes: number
}

const scratch = mkdtempSync(join(tmpdir(), 'freehold-tiers-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const byFile = join(scratch, 'by-file')

/** More failed files than this are no disturbance, and are not run again. */
const mostAgain = 3

const found = (...patterns: string[]) =>
  globSync(patterns, { cwd: root, exclude: (name) => /node_modules|generated|\.next|target/.test(String(name)) }).sort()
const nodeTest = (files: string[], concurrency: number): string[] => [
  'node',
  '--test',
  '--test-reporter=tap',
  '--test-reporter-destination=stdout',
  '--test-reporter=./scripts/tiers/by-file.ts',
  `--test-reporter-destination=${byFile}`,
  `--test-concurrency=${concurrency}`,
  ...files,
]
const each = (...lines: string[][]): Tier['commands'] => lines

const tiers: Tier[] = [
  {
    name: 'static',
    area: 'main job',
    commands: each(
      ['npm', 'run', 'typecheck'],
      ['npm', 'run', 'lint'],
      ['npm', 'run', 'format:check'],
      ['shellcheck', '-x', ...found('scripts/**/*.sh', 'template-vm/**/*.sh', 'iso/**/*.sh')],
    ),
    count: (output) => countTap(output),
    minutes: 5,
  },
  {
    name: 'contracts',
    area: 'main job',
    commands: each(
      ['forge', 'fmt', '--check'],
      ['forge', 'test'],
      ['node', 'mutants/run.ts', ...(all ? ['--all'] : [])],
      // each compiles everything anew
      ...(all
        ? [['../scripts/contracts-prove.sh'], ['../scripts/contracts-coverage.sh'], ['../scripts/contracts-slither.sh']]
        : []),
    ),
    cwd: 'contracts',
    env: all ? { FOUNDRY_PROFILE: 'all' } : {},
    count: countForgeOrTap,
    minutes: all ? 20 : 8,
  },
  {
    name: 'rust',
    // the package is part of the guests' image, as everybody's as that one
    commands: each(['./scripts/build-pam-web3.sh'], ['./scripts/test-pam-web3.sh'], ['./scripts/test-wasmtime-node.sh']),
    count: countTap,
    minutes: 20,
  },
  {
    name: 'unit',
    commands: each(
      nodeTest(
        found('{appliance,contracts,wizard,testing,scripts,iso}/**/*.test.ts').filter((f) => !/\.(int|vm)\.test\.ts$/.test(f)),
        2,
      ),
    ),
    count: countNodeTest,
    minutes: 5,
  },
  {
    name: 'integration',
    // the guests' image is everybody's: no test that happens to be the first to want it pays for it
    commands: each(
      ['./scripts/build-template.sh'],
      nodeTest(found('{appliance,contracts,wizard,testing,template-vm,iso,scripts}/**/*.int.test.ts'), 1),
      // each has an sshd in namespaces of its own, and waits for one process at a time
      nodeTest(found('pam-web3/**/*.int.test.ts'), 3),
    ),
    count: countNodeTest,
    minutes: 45,
  },
  {
    name: 'vm',
    commands: each(nodeTest(found('{appliance,template-vm,pam-web3,testing,iso}/**/*.vm.test.ts'), 1)),
    count: countNodeTest,
    // every firmware, medium and power cut of the image with --all
    minutes: all ? 300 : 45,
  },
  {
    name: 'browser',
    commands: each([
      'playwright',
      'test',
      '--config',
      'testing/playwright.config.ts',
      '--reporter=json',
      ...(all ? [] : ['--retries=1']),
    ]),
    count: countPlaywright,
    minutes: 40,
  },
]

function run(command: readonly string[], tier: Tier): Promise<{ code: number; output: string }> {
  const { promise, resolve: done } = Promise.withResolvers<{ code: number; output: string }>()
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd: join(root, tier.cwd ?? '.'),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...(all && { FREEHOLD_ALL: '1' }), ...tier.env },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const timer = setTimeout(() => {
    output += `\nended after ${tier.minutes} minutes\n`
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, tier.minutes * 60_000)
  child.on('error', (e) => (output += e.message))
  child.on('close', (code) => {
    clearTimeout(timer)
    done({ code: code ?? 1, output })
  })
  return promise
}

/** What failed, with what stands around it; the end of the output where no line says `not ok`. */
function excerpt(output: string): string {
  const lines = output.split('\n')
  const failures = lines.flatMap((line, i) => (/^\s*not ok\b/.test(line) ? [lines.slice(i, i + 40).join('\n')] : []))
  return failures.length > 0 ? failures.slice(0, 12).join('\n…\n') : output.slice(-12_000)
}

const allowed = readFileSync(join(root, 'scripts/allowed-skips.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' — ')[0] ?? '')
const only = process.env['FREEHOLD_TIERS']?.split(',')
const total: Counts = { passed: 0, failed: 0, skipped: [] }
const rows: string[] = []
const unsteady: string[] = []
const seconds = new Map<Capability, number>()
const fileSeconds = new Map<string, number>()
const spent = (capability: Capability, more: number) => seconds.set(capability, (seconds.get(capability) ?? 0) + more)

/** Runs failed files by themselves: how many tests still fail, and which files no longer do. */
async function onceMore(files: readonly string[], tier: Tier): Promise<{ failed: number; output: string; mended: string[] }> {
  process.stderr.write(`… once more: ${files.join(' ')}\n`)
  rmSync(byFile, { force: true })
  const { code, output } = await run(nodeTest([...files], 1), tier)
  const sum = tier.count(output)
  const failed = (code !== 0 || sum.passed === 0) && sum.failed === 0 ? 1 : sum.failed
  const still = failedFiles(readLines(readFileSync(byFile, { encoding: 'utf8', flag: 'a+' })))
  return { failed, output, mended: failed === 0 ? [...files] : files.filter((file) => !still.includes(file)) }
}

/** Counts of one command, its failed files run again where that is allowed; says what failed. */
async function counted(command: readonly string[], tier: Tier): Promise<Counts> {
  rmSync(byFile, { force: true })
  const began = performance.now()
  const { code, output } = await run(command, tier)
  const counts = tier.name === 'static' ? { passed: code === 0 ? 1 : 0, failed: 0, skipped: [] } : tier.count(output)
  const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed
  const lines = command.includes('--test') ? readLines(readFileSync(byFile, { encoding: 'utf8', flag: 'a+' })) : []
  const files = ofWallTime(tier.name === 'browser' ? secondsByFile(output) : lines, (performance.now() - began) / 1000)
  for (const { file, seconds: took } of files) {
    spent(capabilityOf(file), took)
    fileSeconds.set(file, (fileSeconds.get(file) ?? 0) + took)
  }
  if (files.length === 0) spent(tier.area ?? capabilityOf(command.join(' ')), (performance.now() - began) / 1000)
  unsteady.push(...(counts.unsteady ?? []))
  if (failed === 0) return counts
  const again = failedFiles(lines)
  const mayAgain = !all && again.length > 0 && again.length <= mostAgain && !output.includes('ended after')
  const told = mayAgain ? await onceMore(again, tier) : { failed, output }
  unsteady.push(...('mended' in told ? told.mended : []))
  if (told.failed > 0) process.stderr.write(`${excerpt(told.output)}\n✖ ${command.slice(0, 3).join(' ')} (exit code ${code})\n`)
  return { ...counts, passed: counts.passed + Math.max(0, failed - told.failed), failed: told.failed }
}

for (const tier of tiers) {
  if (only !== undefined && !only.includes(tier.name)) continue
  process.stderr.write(`… ${tier.name}\n`)
  const started = performance.now()
  const sum: Counts = { passed: 0, failed: 0, skipped: [] }
  for (const command of tier.commands) {
    const counts = await counted(command, tier)
    sum.passed += counts.passed
    sum.failed += counts.failed
    sum.skipped.push(...counts.skipped)
  }
  const refusedSkips = all ? [] : sum.skipped.filter((name) => !allowed.some((a) => name.includes(a)))
  for (const name of refusedSkips) process.stderr.write(`✖ skipped without a reason in scripts/allowed-skips.txt: ${name}\n`)
  if (sum.passed === 0) process.stderr.write(`✖ the tier ${tier.name} ran no test\n`)
  total.passed += sum.passed
  total.failed += sum.failed + refusedSkips.length + (sum.passed === 0 && sum.failed === 0 ? 1 : 0)
  total.skipped.push(...sum.skipped)
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  rows.push(
    `${tier.name.padEnd(12)} ${minutes.padStart(5)} min  ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped.length} skipped`,
  )
  process.stderr.write(`  ${rows.at(-1)}\n`)
}
const slowest = [...fileSeconds].sort(([, a], [, b]) => b - a).slice(0, 25)
for (const [file, took] of slowest) process.stderr.write(`${took.toFixed(0).padStart(5)} s  ${file}\n`)
for (const line of shareLines(seconds)) process.stdout.write(`${line}\n`)
for (const file of unsteady) process.stdout.write(`unsteady: ${file} passed at the second try only\n`)
process.stdout.write(
  `${rows.join('\n')}\n${total.passed} passed, ${total.failed} failed${total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : ''}\n`,
)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
