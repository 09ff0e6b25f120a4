import { z } from 'zod'
import { vmIdOf, type VmKey } from '../chain/installation.ts'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmRepository } from '../store/vms.ts'
import { vmSecret } from '../vms/guest-secrets.ts'
import type { Guest } from './guest-auth.ts'
import { parseHostKey, type HostKey } from './host-key.ts'
import { displayCode } from './sign-in-text.ts'
import type { LoginRequest } from './login-request.ts'
import { presenceOf, sameAs, type KnownPresence, type Presence } from './presence.ts'
import type { LatestChain, SignInPorts } from './ports.ts'
import type { SignIn } from './sign-in.ts'

export const longPollMs = 25_000

export const reportBodySchema = z.strictObject({
  token: z.string().max(300),
  hostKeys: z.array(z.string().max(2000)).min(1).max(8),
})
export const loginBodySchema = z.strictObject({
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
  source: z.string().regex(/^[0-9a-fA-F:.]{2,45}$/),
})
export const replyBodySchema = z.strictObject({ reply: z.string().max(64) })
/** Of one certificate: the key id that sshd was shown. */
export const certificateQuerySchema = z.strictObject({ certificate: z.string().max(64) })
export const presenceQuerySchema = z
  .strictObject({
    holder: z
      .string()
      .regex(/^0x[0-9a-fA-F]{40}$/)
      .optional(),
    active: z.enum(['true', 'false']).optional(),
  })
  .transform(({ holder, active }): KnownPresence | undefined =>
    holder === undefined || active === undefined ? undefined : { holder, active: active === 'true' },
  )

/** What a report leads to outside: the facts in the hypervisor's metadata, whoever waits for the guest. May be called twice. */
export type OnReport = (key: VmKey, hostKey: HostKey) => Promise<void>

export interface GuestRoutePorts {
  clock: Clock
  master: Uint8Array
  vms: Pick<VmRepository, 'mark' | 'useSecret'>
  onReport: OnReport
  signIn: SignIn
  latestChain: LatestChain
  rateLimits: SignInPorts['rateLimits']
  mode: SignInPorts['mode']
  outcomes: Pick<SignInPorts['outcomes'], 'get'>
}

/** POST /guest/v1/report. Throws `bad-input`, `already-reported`. */
export async function report(ports: GuestRoutePorts, guest: Guest, lines: readonly string[]): Promise<{ secret: string }> {
  const hostKey = lines.map(parseHostKey).find((key) => key !== undefined)
  if (hostKey === undefined) {
    throw new AppError({
      code: 'bad-input',
      detail: 'There is no Ed25519 host key.',
      fields: [{ pointer: '/hostKeys', detail: 'needs an ssh-ed25519 line' }],
    })
  }
  const { row, key } = guest
  const other = row.hostKey !== null && row.hostKey.publicKey !== hostKey.publicKey
  if (row.secretUsedAt !== null || other) {
    throw new AppError({
      code: 'already-reported',
      detail: `VM ${vmIdOf(key)} has already reported${other ? ' another host key' : ''}.`,
    })
  }
  await ports.vms.mark(key, { hostKey, reportedAt: row.reportedAt ?? ports.clock.now() })
  await ports.onReport(key, hostKey)
  return { secret: vmSecret(ports.master, guest.mark) }
}

/** POST /guest/v1/login-requests. Throws `too-many-requests`, `not-in-this-state` before the report. */
export async function beginLogin(ports: GuestRoutePorts, guest: Guest, body: z.output<typeof loginBodySchema>) {
  const { row, key, mark } = guest
  if (row.hostKey === null)
    throw new AppError({ code: 'not-in-this-state', detail: 'This VM has not reported its host key yet.' })
  const vmId = vmIdOf(key)
  // embedded guests see one address for everybody outside: only the VM itself is a bound there
  const limits = [
    { name: `login vm ${vmId}`, limit: 600 },
    ...(ports.mode === 'installed' ? [{ name: `login source ${vmId} ${body.source}`, limit: 60 }] : []),
  ]
  for (const { name, limit } of limits) {
    const wait = await ports.rateLimits.hit(name, { limit, windowSeconds: 300 })
    if (wait !== null)
      throw new AppError({ code: 'too-many-requests', detail: 'Too many sign-ins at this VM.', retryAfterSeconds: wait })
  }
  const contract = ports.latestChain.contract(key.installation)
  if (contract === undefined) throw new AppError({ code: 'vm-unknown', detail: `VM ${vmId} is not served here.` })
  const request = ports.signIn.requests.create({
    act: 'shell',
    vm: { vmId, installation: key.installation, contract, tokenId: key.tokenId, generation: key.generation },
    hostKey: row.hostKey.fingerprint,
    user: body.user,
    source: body.source,
    behindLoopbackForward: ports.mode === 'embedded',
    nonce: body.nonce,
    asker: { kind: 'guest', mark },
  })
  const { requestId: id, code, origin, issuedAt, expiresAt } = request
  return { id, code: displayCode(code), url: `${origin}/s/${code}`, origin, issuedAt, expiresAt }
}

/** The guest's own request. Throws `not-found` for those of others, as if they did not exist. */
export function ownRequest(signIn: SignIn, guest: Guest, id: string): LoginRequest {
  const request = signIn.requests.byId(id)
  if (request === undefined || request.asker.kind !== 'guest' || request.asker.mark !== guest.mark) {
    throw new AppError({
      code: 'not-found',
      detail: 'There is no such sign-in of this VM.',
      hint: 'Begin again in the terminal.',
    })
  }
  return request
}

/** What a guest is told of its request (PROTOCOL.md). Releasing marks it used. */
export async function answerOf(signIn: SignIn, request: LoginRequest): Promise<object> {
  const approval = await signIn.release(request)
  if (approval !== undefined) {
    return { state: 'approved', signature: approval.signature, signer: approval.signer, statement: approval.statement }
  }
  const { state } = request
  switch (state.kind) {
    case 'needs-reply':
      return { state: 'needs-reply', triesLeft: state.triesLeft }
    case 'denied':
      return { state: 'denied', reason: state.reason }
    case 'expired':
      return { state: 'denied', reason: { code: 'request-expired', text: 'The sign-in has expired. Begin again.' } }
    default:
      return { state: 'waiting' }
  }
}

/**
 * GET /guest/v1/login-requests/{id}/refusal: whether *Not me* was pressed. It releases nothing, so that a terminal may ask it while
 * its person has not pressed Enter. `over`: the request has ended in another way, there is nothing more to wait for.
 */
export function refusalOf({ state }: LoginRequest): { state: 'open' | 'refused' | 'over' } {
  if (state.kind === 'denied') return { state: state.reason.code === 'refused' ? 'refused' : 'over' }
  return { state: state.kind === 'used' || state.kind === 'expired' ? 'over' : 'open' }
}

/** GET /guest/v1/presence: at once if it differs from what is known, else when it changes or after 25 s. Throws `chain-stale`. */
export async function awaitPresence(
  ports: Pick<GuestRoutePorts, 'latestChain' | 'clock'>,
  guest: Guest,
  known: KnownPresence | undefined,
  signal: AbortSignal,
): Promise<Presence> {
  const now = presenceOf(ports.latestChain, guest.key)
  if (known === undefined || !sameAs(now, known)) return now
  const early = new AbortController()
  const end = ports.latestChain.onChange(() => {
    try {
      if (!sameAs(presenceOf(ports.latestChain, guest.key), known)) early.abort()
    } catch {
      // stale: no answer is due before the poll ends
    }
  })
  try {
    await ports.clock.wait(longPollMs, AbortSignal.any([early.signal, signal]))
  } finally {
    end()
  }
  return presenceOf(ports.latestChain, guest.key)
}
