// Runs the tiers one after the other, prints minutes per tier and ends with `N passed, N failed[, N skipped]`.
// A tier without a single test fails; so does a skip that scripts/allowed-skips.txt does not name.
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { countForgeOrTap, countNodeTest, countPlaywright, countTap, type Counts } from './tiers/counts.ts'

const root = resolve(import.meta.dirname, '..')
const all = process.env['FREEHOLD_ALL'] === '1'

interface Tier {
  name: string
  commands: readonly (readonly string[])[]
  cwd?: string
  env?: Record<string, string>
  count(output: string): Counts
  /** Minutes after which a tier is ended: a hang is a failure, not a wait. */
  minutes: number
}

const found = (...patterns: string[]) =>
  globSync(patterns, { cwd: root, exclude: (name) => /node_modules|generated|\.next|target/.test(String(name)) }).sort()
const nodeTest = (files: string[], concurrency: number): string[] => [
  'node',
  '--test',
  '--test-reporter=tap',
  `--test-concurrency=${concurrency}`,
  ...files,
]
const each = (...lines: string[][]): Tier['commands'] => lines

const tiers: Tier[] = [
  {
    name: 'static',
    commands: each(
      ['npm', 'run', 'typecheck'],
      ['npm', 'run', 'lint'],
      ['npm', 'run', 'format:check'],
      ['shellcheck', '-x', ...found('scripts/**/*.sh', 'template-vm/**/*.sh')],
    ),
    count: (output) => countTap(output),
    minutes: 5,
  },
  {
    name: 'contracts',
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
    commands: each(['./scripts/test-pam-web3.sh'], ['./scripts/test-wasmtime-node.sh']),
    count: countTap,
    minutes: 20,
  },
  {
    name: 'unit',
    commands: each(
      nodeTest(
        found('{appliance,contracts,wizard,testing,scripts}/**/*.test.ts').filter((f) => !/\.(int|vm)\.test\.ts$/.test(f)),
        2,
      ),
    ),
    count: countNodeTest,
    minutes: 5,
  },
  {
    name: 'integration',
    commands: each(nodeTest(found('{appliance,contracts,wizard,testing,template-vm,pam-web3}/**/*.int.test.ts'), 1)),
    count: countNodeTest,
    minutes: 45,
  },
  {
    name: 'vm',
    commands: each(nodeTest(found('{appliance,template-vm,pam-web3,testing}/**/*.vm.test.ts'), 1)),
    count: countNodeTest,
    minutes: 30,
  },
  {
    name: 'browser',
    commands: each(['playwright', 'test', '--config', 'testing/playwright.config.ts', '--reporter=json']),
    count: countPlaywright,
    minutes: 20,
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
for (const tier of tiers) {
  if (only !== undefined && !only.includes(tier.name)) continue
  process.stderr.write(`… ${tier.name}\n`)
  const started = performance.now()
  const sum: Counts = { passed: 0, failed: 0, skipped: [] }
  for (const command of tier.commands) {
    const { code, output } = await run(command, tier)
    const counts = tier.name === 'static' ? { passed: code === 0 ? 1 : 0, failed: 0, skipped: [] } : tier.count(output)
    const failed = code !== 0 && counts.failed === 0 ? 1 : counts.failed
    if (failed > 0) process.stderr.write(`${excerpt(output)}\n✖ ${command.slice(0, 3).join(' ')} (exit code ${code})\n`)
    sum.passed += counts.passed
    sum.failed += failed
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
process.stdout.write(
  `${rows.join('\n')}\n${total.passed} passed, ${total.failed} failed${total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : ''}\n`,
)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
