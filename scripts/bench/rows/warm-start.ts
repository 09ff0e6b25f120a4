import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import getPort from 'get-port'
import { checkout } from '@freehold/appliance/dev/builds'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { row, type Bench } from '../row.ts'

const startSeconds = 900

export const warmStart: Bench = {
  id: 'warm-start',
  about: 'second ./scripts/up.sh on the same state folder, until the storefront is open',
  slow: true,
  async run(report) {
    // short: unix sockets have at most 108 characters
    const state = await mkdtemp('/tmp/fh-')
    try {
      const answers = join(state, 'answers.yaml')
      await writeFile(answers, await answersOnFreePorts())
      for (const start of ['first', 'second'] as const) {
        report(`${start} start`)
        const { child, seconds } = await up(['--yes', '--state', state, '--answers', answers], report)
        await interrupt(child)
        report(`open after ${seconds.toFixed(1)} s`)
        if (start === 'second') return [row('up.sh, warm, to the open storefront', seconds, 's', 30, 1)]
      }
      return []
    } finally {
      await rm(state, { recursive: true, force: true })
    }
  },
}

/** scripts/embedded.yaml, so that a host that runs on this machine is not in the way. */
async function answersOnFreePorts(): Promise<string> {
  const [web, rpc, login] = [
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
  ]
  const from = 50_000 + ((process.pid * 16) % 10_000)
  const text = (await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
    .replace('http://localhost:8080', `http://localhost:${web}`)
    .replace('http://127.0.0.1:8545', `http://127.0.0.1:${rpc}`)
  return `${text.trimEnd()}\n  sshPorts: { from: ${from}, to: ${from + 15} }\nlisten:\n  login: 127.0.0.1:${login}\n`
}

/** Starts up.sh; resolves when it says where the storefront is. Throws `process-failed` with its last lines. */
function up(args: string[], report: (line: string) => void): Promise<{ child: ChildProcess; seconds: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ child: ChildProcess; seconds: number }>()
  const from = systemClock.monotonicMs()
  const child = spawn(join(checkout, 'scripts/up.sh'), args, { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const fail = (what: string): void => {
    reject(new AppError({ code: 'process-failed', detail: `up.sh ${what}: ${said.slice(-600)}`, hint: 'Run ./scripts/up.sh.' }))
  }
  const timer = setTimeout(() => {
    child.kill('SIGINT')
    fail(`was not ready in ${startSeconds} s`)
  }, startSeconds * 1000)
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    for (const line of chunk.toString().split('\n')) if (line.trim() !== '') report(line)
  })
  child.stdout.on('data', (chunk: Buffer) => {
    if (!chunk.toString().includes('Storefront:')) return
    clearTimeout(timer)
    resolve({ child, seconds: (systemClock.monotonicMs() - from) / 1000 })
  })
  child.once('error', (error) => fail(error.message))
  child.once('close', (code) => {
    clearTimeout(timer)
    fail(`ended with ${code}`)
  })
  return promise
}

/** As Ctrl-C does; resolves when it has ended. */
async function interrupt(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.kill('SIGINT')
  await ended
}
