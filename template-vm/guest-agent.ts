import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

/** What a command in the guest left behind. */
export interface GuestResult {
  exitCode: number
  stdout: string
}

/**
 * Runs a program in the guest through the QEMU guest agent and returns its output; it waits until the agent answers.
 * Source: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html (guest-sync, guest-exec, guest-exec-status).
 * @throws Error if the agent is silent for `timeoutSeconds` in total, or refuses.
 */
export async function guestExec(
  agentSocket: string,
  path: string,
  args: readonly string[],
  timeoutSeconds = 300,
): Promise<GuestResult> {
  const deadline = performance.now() + timeoutSeconds * 1000
  const socket = connect(agentSocket)
  const lines: string[] = []
  createInterface({ input: socket }).on('line', (line) => lines.push(line))
  socket.on('error', () => undefined)

  const ask = async (execute: string, parameters: object, waitMs: number): Promise<Record<string, unknown> | undefined> => {
    lines.length = 0
    socket.write(`${JSON.stringify({ execute, arguments: parameters })}\n`)
    const until = Math.min(deadline, performance.now() + waitMs)
    while (lines.length === 0) {
      if (performance.now() > until) return undefined
      await delay(50)
    }
    const answer = JSON.parse(lines.at(-1) ?? '{}') as { return?: unknown; error?: { desc: string } }
    if (answer.error !== undefined) throw new Error(`guest agent, ${execute}: ${answer.error.desc}`)
    return { value: answer.return }
  }
  try {
    // Only the answer to the newest sync counts: earlier ones may still lie in the channel.
    for (let id = 1; ; id++) {
      if (performance.now() > deadline) throw new Error('the guest agent does not answer')
      const answer = await ask('guest-sync', { id }, 2000)
      if (answer?.['value'] === id) break
    }
    const started = await ask('guest-exec', { path, arg: args, 'capture-output': true }, 30_000)
    const pid = (started?.['value'] as { pid: number } | undefined)?.pid
    while (performance.now() < deadline) {
      const status = await ask('guest-exec-status', { pid }, 30_000)
      const value = status?.['value'] as { exited: boolean; exitcode?: number; 'out-data'?: string } | undefined
      if (value?.exited) {
        return { exitCode: value.exitcode ?? -1, stdout: Buffer.from(value['out-data'] ?? '', 'base64').toString() }
      }
      await delay(100)
    }
    throw new Error(`${path} did not end in time`)
  } finally {
    socket.destroy()
  }
}
