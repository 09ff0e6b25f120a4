import { AppError } from '../../errors/app-error.ts'

/** Why a call gave no answer that can be used, and whether it may have been carried out all the same. */
export type FaultKind =
  /** The server said no; nothing was done. */
  | 'refused'
  /** 401: the token is not (or no longer) good. */
  | 'unauthorized'
  /** 403: the token is good and may not. */
  | 'forbidden'
  /** No connection came about: surely nothing was done. */
  | 'unreachable'
  /** The connection was cut or fell silent after the request, or 595, 596, 599: it may have been carried out. */
  | 'unknown-outcome'
  /** The answer is not what the API promises. */
  | 'unreadable'
  /** A task ended with another exit status than OK. */
  | 'task-failed'
  /** The time of the verb is over, or the server has no record of the task: it may run on. */
  | 'task-unknown'

/** A call to the server that failed. Never leaves this folder: `toAppError` gives it the words for a person. */
export class PveError extends Error {
  readonly kind: FaultKind
  /** HTTP status, where there was one. */
  readonly status: number | undefined
  /** The server's own words: the reason phrase, or a task's exit status. One line. */
  readonly reason: string
  /** Parameters that the server refused, with its words. */
  readonly fields: Readonly<Record<string, string>>
  /** `POST /nodes/…`; for a task its UPID. */
  readonly call: string

  constructor(fault: {
    kind: FaultKind
    call: string
    reason: string
    status?: number
    fields?: Readonly<Record<string, string>>
    cause?: unknown
  }) {
    super(`${fault.call}: ${fault.status ?? fault.kind} ${fault.reason}`, { cause: fault.cause })
    this.name = 'PveError'
    this.kind = fault.kind
    this.call = fault.call
    this.reason = fault.reason.trim()
    this.status = fault.status
    this.fields = fault.fields ?? {}
  }

  /** The reason and what it says of each parameter, in one text to match against. */
  get text(): string {
    return [this.reason, ...Object.entries(this.fields).map(([name, words]) => `${name}: ${words.trim()}`)].join('\n')
  }
}

/** True where the request may have been carried out although it failed. */
export function mayHaveHappened(error: unknown): boolean {
  return error instanceof PveError && (error.kind === 'unknown-outcome' || error.kind === 'task-unknown')
}

/** The missing VM: 404 is never used. Source: recordings a 41–44. */
export function isMissingVm(error: unknown): boolean {
  return error instanceof PveError && /^Configuration file 'nodes\/[^']+' does not exist/.test(error.reason)
}

/** One of the three texts of a VM id that somebody else was faster with. Never success. */
export function isIdTaken(error: unknown): boolean {
  return (
    error instanceof PveError &&
    /VM \d+ already exists( on node '[^']*')?$|unable to create VM \d+: config file already exists/m.test(error.text)
  )
}

/** A path and the privileges on it, as the server names them in a 403. */
const lacking = /\(([^,()]+), ([A-Za-z., |]+)\)/

/** A 403 that does not say which privilege is missing where. Source: the server's check of a pool that gets a VM. */
export function isBareRefusal(error: PveError): boolean {
  return error.kind === 'forbidden' && !lacking.test(error.reason)
}

/** The short lock that one operation holds: gone by itself in seconds. */
export function isLockBusy(error: unknown): boolean {
  return error instanceof PveError && /can't lock file '[^']+' - got timeout/.test(error.text)
}

/** The `lock` in the configuration, and what holds it. */
export function configLock(error: unknown): string | undefined {
  return error instanceof PveError ? /VM is locked \(([a-z-]+)\)/.exec(error.text)?.[1] : undefined
}

/** The config was changed between read and write. */
export function isStaleDigest(error: unknown): boolean {
  return error instanceof PveError && /checksum mismatch/.test(error.reason)
}

interface Rule {
  when: RegExp
  say(match: RegExpExecArray): Pick<ConstructorParameters<typeof AppError>[0], 'code' | 'detail'> & { hint?: string }
}

/** The server's texts that a person can do something about. The first that fits wins. */
const rules: readonly Rule[] = [
  {
    when: /No space left on device|not enough (free )?space|out of space|Disk quota exceeded|data_?space.*full/i,
    say: () => ({ code: 'storage-full', detail: 'A storage of the Proxmox server has no room left.' }),
  },
  {
    when: /storage '([^']+)' does not support (vm images|content.type '?[a-z]+'?)/,
    say: (m) => ({
      code: 'storage-unsuitable',
      detail: `The storage ${m[1]} does not take what is needed there (${m[2]}).`,
      hint: `On a node: pvesm set ${m[1]} --content with the missing type added (images for disks, iso and import for media).`,
    }),
  },
  {
    when: /storage '([^']+)' (does not exist|is disabled|is not (online|available|active))/,
    say: (m) => ({
      code: m[2] === 'does not exist' ? 'storage-unsuitable' : 'pool-not-mounted',
      detail: `The storage ${m[1]} ${m[2]}.`,
      hint: 'Check the names of the storages in the configuration, and on a node: pvesm status.',
    }),
  },
  {
    when: /bridge '([^']+)' does not exist/,
    say: (m) => ({
      code: 'bridge-missing',
      detail: `There is no bridge ${m[1]} on the node.`,
      hint: 'Make it on every node, or name another one in the configuration.',
    }),
  },
  {
    when: /still in use by linked clone/,
    say: () => ({ code: 'not-in-this-state', detail: 'Disks refer to this template.', hint: 'It goes with the last of them.' }),
  },
  {
    when: /hostname lookup '([^']+)' failed|no such cluster node '([^']+)'/,
    say: (m) => ({
      code: 'hypervisor-down',
      detail: `The cluster has no node ${m[1] ?? m[2]} that can be reached.`,
      hint: 'Check the name of the node in the configuration, and pvecm status.',
    }),
  },
  {
    when: /VM is locked \(([a-z-]+)\)/,
    say: (m) => ({
      code: 'vm-locked',
      detail: `The VM is locked by Proxmox (${m[1]}).`,
      hint: 'It ends with the work that holds it. If no task runs any more, root may run qm unlock.',
    }),
  },
  {
    when: /can't lock file/,
    say: () => ({ code: 'vm-locked', detail: 'Another operation holds the lock of the VM or of its storage.' }),
  },
  {
    when: /protection mode enabled/,
    say: () => ({
      code: 'not-in-this-state',
      detail: 'The VM is protected against removal.',
      hint: 'Somebody set its protection in Proxmox; take it away there if the VM may go.',
    }),
  },
  {
    when: /snapshot feature is not available/,
    say: () => ({ code: 'not-supported', detail: 'The storage of this disk takes no snapshots.' }),
  },
  {
    when: /snapshot '[^']+' does not exist/,
    say: () => ({ code: 'not-found', detail: 'The VM has no snapshot of this name.' }),
  },
  {
    when: /Configuration file 'nodes\/[^']+\/(\d+)\.conf' does not exist/,
    say: (m) => ({ code: 'vm-unknown', detail: `Proxmox has no VM ${m[1]}.` }),
  },
]

const lookFirst = 'Freehold looks what became of it before it tries again; nothing is done twice.'

/** The error of a person: what could not be done, why, what to do now. The raw texts stay in `cause`. */
export function toAppError(error: PveError, action: string): AppError {
  const cause = error
  for (const { when, say } of rules) {
    const match = when.exec(error.text)
    if (match !== null) return new AppError({ ...say(match), cause })
  }
  switch (error.kind) {
    case 'unauthorized':
      return new AppError({
        code: 'token-refused',
        detail: `Proxmox refused the token (${error.reason || 'without a reason'}).`,
        cause,
      })
    case 'forbidden': {
      const [, path, privilege] = lacking.exec(error.reason) ?? []
      const detail =
        privilege === undefined
          ? `The token may not ${action} (${error.reason}).`
          : `To ${action}, the token lacks ${privilege} on ${path}.`
      return new AppError({ code: 'privilege-missing', detail, cause })
    }
    case 'unreachable':
      return new AppError({ code: 'hypervisor-down', detail: 'The Proxmox server cannot be reached.', cause })
    case 'unknown-outcome':
      return new AppError({
        code: 'hypervisor-down',
        detail: `The Proxmox server gave no answer when asked to ${action}.`,
        hint: lookFirst,
        cause,
      })
    case 'task-unknown':
      return new AppError({
        code: 'outcome-unknown',
        detail: `It is not known yet whether Proxmox could ${action}.`,
        hint: lookFirst,
        cause,
      })
    case 'unreadable':
      return new AppError({ code: 'hypervisor-down', detail: 'The answer of the server is not one of Proxmox VE 9.', cause })
    case 'refused':
    case 'task-failed':
      return new AppError({
        code: 'process-failed',
        detail: `Proxmox could not ${action}.`,
        hint: 'See the task in Proxmox and the log of the host.',
        cause,
      })
  }
}
