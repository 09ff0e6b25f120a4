import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { noFacts } from './facts.ts'
import { createMetricsServer } from './metrics.ts'

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[]
}

const file = resolve(import.meta.dirname, '../../monitoring/grafana-dashboard.json')
// Debian's package `prometheus` begins a server where it is installed, so the tests do not install it: its parser is asked
// where it is there, and with FREEHOLD_ALL=1 taken out of the package (20 MB) into a folder of its own
const installed = spawnSync('promtool', ['--version'], { timeout: 30_000 }).status === 0
const asked = installed || process.env['FREEHOLD_ALL'] === '1'

/** The parser of Prometheus, taken out of its package into `folder` where it is not installed. */
async function promtoolIn(folder: string): Promise<string> {
  if (installed) return 'promtool'
  // read by the user that apt downloads as, too
  execFileSync('chmod', ['755', folder])
  execFileSync('apt-get', ['download', 'prometheus'], { cwd: folder, stdio: 'pipe', timeout: 300_000 })
  const [file = ''] = (await readdir(folder)).filter((name) => name.endsWith('.deb'))
  execFileSync('dpkg-deb', ['-x', file, 'taken-out'], { cwd: folder, stdio: 'pipe', timeout: 120_000 })
  return join(folder, 'taken-out/usr/bin/promtool')
}

suite('the Grafana dashboard', () => {
  const metrics = createMetricsServer({
    facts: () => noFacts,
    issues: () => Promise.resolve([{ severity: 'high' }]),
    healthy: () => Promise.resolve(),
  })
  let text: string
  let panels: Dashboard['panels']
  let folder: string
  let promtool: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-dashboard-'))
    if (asked) promtool = await promtoolIn(folder)
    const port = await metrics.listen('127.0.0.1:0')
    text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    ;({ panels } = JSON.parse(await readFile(file, 'utf8')) as Dashboard)
  })
  after(async () => {
    await metrics.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('O10 every metric that a panel asks for is one that the host serves', () => {
    const served = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((m) => m[1]))
    const exprs = panels.flatMap((p) => p.targets.map((t) => t.expr))
    assert.ok(exprs.length >= 10)
    for (const expr of exprs) {
      const asked = expr.match(/\b(?:freehold|process|nodejs)_[a-z0-9_]+/g) ?? []
      assert.ok(asked.length > 0, expr)
      for (const name of asked) assert.ok(served.has(name), `${name} of ${expr}`)
    }
  })

  test('O10 what the host serves about itself is on the dashboard', () => {
    const shown = JSON.stringify(panels)
    const own = [...text.matchAll(/^# TYPE (freehold_\S+)/gm)].map((m) => m[1] ?? '')
    assert.ok(own.length >= 7)
    assert.deepEqual(
      own.filter((name) => !shown.includes(name)),
      [],
    )
  })

  if (asked) {
    test('O10 Prometheus itself reads what the host serves', () => {
      const checked = spawnSync(promtool, ['check', 'metrics'], { input: text, timeout: 60_000, encoding: 'utf8' })
      // it also has advice on names that Node's own metrics have; what it cannot read it calls an error
      assert.doesNotMatch(checked.stderr, /error while linting|invalid|expected/i)
      const broken = spawnSync(promtool, ['check', 'metrics'], { input: `${text}x y z\n`, timeout: 60_000, encoding: 'utf8' })
      assert.match(broken.stderr, /error/i)
    })

    test('O10 Prometheus itself parses every query of the dashboard', async () => {
      const check = async (exprs: string[]) => {
        const rules = join(folder, 'rules.yml')
        const list = exprs.map((expr, i) => ({ record: `freehold:check_${i}`, expr: expr.replaceAll('$job', '.*') }))
        await writeFile(rules, stringify({ groups: [{ name: 'dashboard', rules: list }] }))
        return spawnSync(promtool, ['check', 'rules', rules], { timeout: 60_000, encoding: 'utf8' })
      }
      const exprs = panels.flatMap((p) => p.targets.map((t) => t.expr))
      const good = await check(exprs)
      assert.equal(good.status, 0, good.stderr + good.stdout)
      assert.notEqual((await check(['sum(']))?.status, 0)
    })
  }
})
