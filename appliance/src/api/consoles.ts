import type { VmKey } from '../chain/installation.ts'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { ErrorCode } from '../errors/catalogue.ts'
import type { ConsoleStream } from '../hypervisor/port.ts'
import type { RequestVm } from '../sign-in/login-request.ts'
import type { LatestChain } from '../sign-in/ports.ts'
import { presenceOf } from '../sign-in/presence.ts'
import type { AuditRepository } from '../store/audit.ts'
import type { HostFacts } from './facts.ts'
import type { ConsoleEnd } from './schemas/console.ts'

/** The person's side of a console. */
export interface ConsoleLine {
  /** Bytes that it has not taken yet. */
  readonly waitingBytes: number
  send(bytes: Uint8Array): void
  /** The console is over; called once, last. */
  ended(code: ConsoleEnd, text: string): void
}

/** An open console as its line sees it. */
export interface OpenConsole {
  /** No-op once it has ended. */
  write(bytes: Uint8Array): void
  /** The person leaves. */
  close(): void
  /** Unix seconds: it ends then at the latest. */
  until: number
}

export interface ConsolePorts {
  clock: Clock
  latestChain: LatestChain
  facts(): Pick<HostFacts, 'vms'>
  /** `Hypervisor.console`. */
  openConsole(key: VmKey): Promise<ConsoleStream>
  audit: Pick<AuditRepository, 'append'>
  log(line: string, cause?: unknown): void
}

/** The open serial consoles: one per VM, each ended when the right it was opened under is gone (design.md §8, "Break-glass"). */
export interface Consoles {
  /**
   * Opens the console for a signer whose signature was consumed a moment ago; one that is open gives way. Throws
   * `not-in-this-state`, `not-entitled`, `wrong-wallet`, `chain-stale`, or what the hypervisor throws.
   */
  open(vm: RequestVm, signer: string, source: string, line: ConsoleLine): Promise<OpenConsole>
  readonly size: number
  /** Ends them all; resolves once that is in the audit trail. */
  stop(): Promise<void>
}

/** As long as any login by wallet lasts. */
const longestSeconds = 12 * 3600
/** Rights are looked up at each new block and this often. */
const lookEveryMs = 10_000
/** More than this unread on the way to the person, and the line is given up. */
const unreadBytes = 1024 * 1024

interface Entry {
  vm: RequestVm
  signer: string
  until: number
  end(code: ConsoleEnd, text: string): void
}

export function createConsoles(ports: ConsolePorts): Consoles {
  const { clock } = ports
  const open = new Map<string, Entry>()
  let recorded: Promise<void> = Promise.resolve()
  let ends: (() => void) | undefined

  /** Why nobody, or not this signer, may be at the console now; undefined: the right stands. */
  function refusal(vm: RequestVm, signer: string): { code: ConsoleEnd; error: ErrorCode; text: string } | undefined {
    let presence
    try {
      presence = presenceOf(ports.latestChain, vm)
    } catch {
      return { code: 'chain-stale', error: 'chain-stale', text: 'The host does not know the present state of the network.' }
    }
    if (presence.holder !== null && presence.holder !== signer) {
      return { code: 'pass-moved', error: 'wrong-wallet', text: 'The access pass has moved to another wallet.' }
    }
    if (presence.activeUntil === null) {
      const text = presence.reason?.text ?? 'The subscription is not active.'
      return { code: 'not-entitled', error: 'not-entitled', text }
    }
    if (ports.facts().vms.get(vm.vmId)?.generation !== vm.generation) {
      return { code: 'reinstalled', error: 'request-used', text: 'The VM was reinstalled.' }
    }
    return undefined
  }

  function look(): void {
    for (const { vm, signer, until, end } of open.values()) {
      const refused = refusal(vm, signer)
      if (refused !== undefined) end(refused.code, refused.text)
      else if (clock.now() >= until) end('too-long', 'A console is open for 12 hours at most. Open it again.')
    }
  }

  function follow(): void {
    const timer = setInterval(look, lookEveryMs)
    const unwatch = ports.latestChain.onChange(look)
    ends = () => {
      clearInterval(timer)
      unwatch()
      ends = undefined
    }
  }

  async function record(who: string, vm: RequestVm, what: string, result: string): Promise<void> {
    await ports.audit.append({ who, what, target: vm.vmId, result, transactionHash: null })
  }

  return {
    async open(vm, signer, source, line) {
      const refused = refusal(vm, signer)
      if (refused !== undefined) {
        throw new AppError({ code: refused.error, detail: refused.text })
      }
      const { installation, tokenId, generation } = vm
      // a serial line has one reader
      open.get(vm.vmId)?.end('taken-over', 'The console was opened again elsewhere, under a new signature.')
      const stream = await ports.openConsole({ installation, tokenId, generation })
      await record(signer, vm, 'console opened', `from ${source}`)
      // another may have come while this one opened
      open.get(vm.vmId)?.end('taken-over', 'The console was opened again elsewhere, under a new signature.')
      let over = false
      const openedAt = clock.now()
      const entry: Entry = {
        vm,
        signer,
        until: openedAt + longestSeconds,
        end(code, text) {
          if (over) return
          over = true
          if (open.get(vm.vmId) === entry) open.delete(vm.vmId)
          if (open.size === 0) ends?.()
          stream.close()
          line.ended(code, text)
          recorded = recorded
            .then(() => record(signer, vm, 'console closed', `${code} after ${clock.now() - openedAt} s`))
            .catch((error: unknown) => ports.log('the end of a console could not be stored', error))
        },
      }
      open.set(vm.vmId, entry)
      if (ends === undefined) follow()
      stream.onData((bytes) => {
        if (over) return
        if (line.waitingBytes > unreadBytes) entry.end('too-slow', 'This side does not keep up with the console.')
        else line.send(bytes)
      })
      stream.onClose(() => entry.end('vm-stopped', 'The VM has stopped, and its console with it.'))
      // the right may have gone while the console opened
      look()
      return {
        write: (bytes) => over || stream.write(bytes),
        close: () => entry.end('closed', 'Closed.'),
        until: entry.until,
      }
    },
    get size() {
      return open.size
    },
    stop() {
      for (const entry of open.values()) entry.end('closed', 'The host restarts. Open it again in a moment.')
      ends?.()
      return recorded
    },
  }
}
