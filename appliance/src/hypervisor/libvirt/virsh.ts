import { AppError } from '../../errors/app-error.ts'
import { failureOf, run, type RunOptions, type RunResult } from './run.ts'

/** libvirt through its own client, one process per verb; texts of virsh in English (facts: libvirt.md §6). */
export interface Virsh {
  /** The verb's output. Throws `hypervisor-down` if the daemon does not answer, else `process-failed`. */
  call(action: string, args: readonly string[], options?: RunOptions): Promise<string>
  /** As `call`, but returns what it said where it refused. */
  ask(args: readonly string[], options?: RunOptions): Promise<RunResult>
  readonly uri: string
}

const down =
  /failed to connect|Failed to connect|Connection refused|cannot recv data|End of file while reading|Disconnected from|client socket is closed/i

export function createVirsh(uri: string): Virsh {
  async function ask(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const result = await run('virsh', ['--quiet', '-c', uri, ...args], options)
    if (result.code !== 0 && down.test(result.stderr)) {
      throw new AppError({ code: 'hypervisor-down', detail: 'libvirtd does not answer.', cause: new Error(result.stderr.trim()) })
    }
    return result
  }
  return {
    uri,
    ask,
    async call(action, args, options) {
      const result = await ask(args, options)
      if (result.code === 0) return result.stdout
      throw failureOf(action, result)
    },
  }
}

/** virsh says that there is no such domain: the one refusal that means absence. */
export function saysAbsent(result: RunResult): boolean {
  return result.code !== 0 && /failed to get domain|Domain not found/i.test(result.stderr)
}
