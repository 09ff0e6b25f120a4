import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { places } from './places.ts'
import { tool } from './tool.ts'

/** How long the daemon may take to answer, and how often in a row it has to, a pause between. */
export interface Judgement {
  withinSeconds: number
  answers: number
  pauseMs: number
}

/** Long enough for a slow machine that applies migrations; a daemon that dies again and again never answers five times in a row. */
export const judgement: Judgement = { withinSeconds: 300, answers: 5, pauseMs: 2000 }

/** Starts what an update stopped. Units that are not here are no failure; a daemon that does not come up shows in `isHealthy`. */
export async function start(units: readonly string[]): Promise<void> {
  // at boot they wait for this unit: packages and database are as they have to be
  if (process.env['NOTIFY_SOCKET'] !== undefined) await tool('systemd-notify', ['--ready'])
  await tool('systemctl', ['daemon-reload'])
  for (const unit of units) {
    await tool('systemctl', ['reset-failed', unit])
    await tool('systemctl', ['--no-block', 'start', unit])
  }
}

/** Stops them, and is sure of the first: whoever copies a database must be alone with it. */
export async function stop(units: readonly string[]): Promise<void> {
  for (const unit of [...units].reverse()) {
    const { code, stderr } = await tool('systemctl', ['stop', unit])
    if (code !== 0 && !/not loaded|not found/i.test(stderr)) throw new Error(`${unit} does not stop: ${stderr.trim()}`)
  }
}

/** Whether the daemon answers as it should, several times in a row. */
export async function isHealthy(how: Judgement = judgement): Promise<boolean> {
  const deadline = performance.now() + how.withinSeconds * 1000
  let inRow = 0
  while (performance.now() < deadline) {
    inRow = (await answers()) ? inRow + 1 : 0
    if (inRow >= how.answers) return true
    if (inRow === 0 && (await restarts()) >= mostRestarts) return false
    await delay(how.pauseMs)
  }
  return false
}

/** A daemon that died so often will not answer however long one waits. Counted since `reset-failed`. */
const mostRestarts = 8

async function restarts(): Promise<number> {
  const { stdout } = await tool('systemctl', ['show', '--property=NRestarts', '--value', 'freeholdd.service'])
  return Number(stdout.trim()) || 0
}

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      { socketPath: places.socket, path: '/v1/status', headers: { host: 'localhost' }, timeout: 10_000 },
      (reply) => {
        reply.resume()
        reply.on('end', () => resolve(reply.statusCode === 200))
        reply.on('error', () => resolve(false))
      },
    )
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(false))
    asked.end()
  })
}
