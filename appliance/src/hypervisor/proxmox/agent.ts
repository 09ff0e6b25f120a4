import { AppError } from '../../errors/app-error.ts'
import type { AgentVerb, VerbOptions } from '../port.ts'
import { agentExit, agentResult, agentStarted } from './answers.ts'
import { PveError } from './pve-error.ts'
import type { PveServer } from './server.ts'

/** How long a command in the guest may run, in ms. */
const execMs = 60_000

/**
 * One verb of the QEMU guest agent. `exec` answers `{exitCode, stdout, stderr}`, the others what the agent returns.
 * What a guest says is the guest's word only. Throws `agent-unreachable`, `timed-out`, PveError.
 */
export async function askAgent(
  server: PveServer,
  vm: { node: string; vmid: number },
  verb: AgentVerb,
  options: VerbOptions,
): Promise<unknown> {
  const path = `/nodes/${vm.node}/qemu/${vm.vmid}/agent`
  const { client, clock } = server
  const { signal } = options
  try {
    switch (verb) {
      case 'ping':
        return (await client.post(`${path}/ping`, agentResult, {}, { signal })).result
      case 'network':
        return (await client.get(`${path}/network-get-interfaces`, agentResult, {}, { signal })).result
      case 'fs-freeze':
        return (await client.post(`${path}/fsfreeze-freeze`, agentResult, {}, { signal })).result
      case 'fs-thaw':
        return (await client.post(`${path}/fsfreeze-thaw`, agentResult, {}, { signal })).result
      default: {
        // one parameter per word: one text with a space kills the worker of the server
        const { pid } = await client.post(`${path}/exec`, agentStarted, { command: verb.exec }, { signal })
        const end = clock.monotonicMs() + execMs
        for (let pause = 100; ; pause = Math.min(2000, pause * 1.5)) {
          const status = await client.get(`${path}/exec-status`, agentExit, { pid }, { signal })
          if (status.exited) return { exitCode: status.exitcode ?? -1, stdout: status['out-data'], stderr: status['err-data'] }
          if (clock.monotonicMs() > end) {
            throw new AppError({ code: 'timed-out', detail: `The command in VM ${vm.vmid} took longer than ${execMs / 1000} s.` })
          }
          await clock.wait(Math.max(2, pause * server.pace), signal)
          signal?.throwIfAborted()
        }
      }
    }
  } catch (error) {
    if (!(error instanceof PveError) || error.kind !== 'refused' || !/guest agent|not running/i.test(error.reason)) throw error
    throw new AppError({ code: 'agent-unreachable', detail: `The guest agent of VM ${vm.vmid} does not answer.`, cause: error })
  }
}
