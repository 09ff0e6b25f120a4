import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { Clock } from '../../clock/clock.ts'
import type { AgentVerb, VerbOptions } from '../port.ts'
import type { Virsh } from './virsh.ts'

const answerSchema = z.object({ return: z.unknown() })
const startedSchema = z.object({ pid: z.number().int() })
const statusSchema = z.object({
  exited: z.boolean(),
  exitcode: z.number().optional(),
  'out-data': z.string().default(''),
  'err-data': z.string().default(''),
})
/** How long a command in the guest may run, in seconds. */
const execSeconds = 60

/**
 * One verb of the QEMU guest agent. `exec` answers `{exitCode, stdout, stderr}`, the others what the agent returns.
 * What a guest says is the guest's word only. Throws `agent-unreachable`, `timed-out`.
 */
export async function askAgent(
  virsh: Virsh,
  clock: Clock,
  domain: { uuid: string; name: string },
  verb: AgentVerb,
  options: VerbOptions,
): Promise<unknown> {
  const unreachable = (cause: unknown) =>
    new AppError({ code: 'agent-unreachable', detail: `The guest agent of ${domain.name} does not answer.`, cause })
  async function ask(execute: string, args?: object): Promise<unknown> {
    const command = JSON.stringify({ execute, ...(args !== undefined && { arguments: args }) })
    const answer = await virsh.ask(['qemu-agent-command', '--timeout', '20', domain.uuid, command], {
      timeoutMs: 25_000,
      ...(options.signal && { signal: options.signal }),
    })
    if (answer.code !== 0) throw unreachable(new Error(answer.stderr.trim()))
    try {
      return answerSchema.parse(JSON.parse(answer.stdout)).return
    } catch (cause) {
      throw unreachable(cause)
    }
  }
  switch (verb) {
    case 'ping':
      return await ask('guest-ping')
    case 'network':
      return await ask('guest-network-get-interfaces')
    case 'fs-freeze':
      return await ask('guest-fsfreeze-freeze')
    case 'fs-thaw':
      return await ask('guest-fsfreeze-thaw')
    default: {
      const [path, ...arg] = verb.exec
      const { pid } = startedSchema.parse(await ask('guest-exec', { path, arg, 'capture-output': true }))
      const end = clock.monotonicMs() + execSeconds * 1000
      for (;;) {
        const status = statusSchema.parse(await ask('guest-exec-status', { pid }))
        const text = (data: string) => Buffer.from(data, 'base64').toString()
        if (status.exited) {
          return { exitCode: status.exitcode ?? -1, stdout: text(status['out-data']), stderr: text(status['err-data']) }
        }
        if (clock.monotonicMs() > end) {
          throw new AppError({ code: 'timed-out', detail: `The command in ${domain.name} took longer than ${execSeconds} s.` })
        }
        await clock.wait(100, options.signal)
        options.signal?.throwIfAborted()
      }
    }
  }
}
