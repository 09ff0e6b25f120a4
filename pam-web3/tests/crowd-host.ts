import { holder } from '../../appliance/src/sign-in/test-stand.ts'
import { createHonestHost } from './honest-host.ts'
import { createLyingHost, secret } from './lying-host.ts'
import type { GuestFacts, Stand } from './stand.ts'

/** The host that a crowd signs in at. */
export interface CrowdHost {
  /** For the guest's files. */
  readonly facts: GuestFacts
  readonly secret: string
  /** All requests that were opened, with the address that the guest's sshd saw. */
  readonly opened: readonly { code: string; source: string }[]
  /** Ids of the requests whose answer a terminal has asked for. */
  asked(): ReadonlySet<string>
  /** The holder signs all that are open. */
  approveAll(): Promise<void>
  stop(): Promise<void>
}

/** A host without limits of its own, so that what is seen is sshd's and the module's. */
export async function limitlessHost(stand: Stand): Promise<CrowdHost> {
  const host = await createLyingHost(stand.fingerprint)
  return {
    facts: host.facts,
    secret,
    opened: host.opened,
    asked: () => new Set(host.calls.flatMap((call) => /^GET \/guest\/v1\/login-requests\/([0-9a-f]{32})$/.exec(call)?.[1] ?? [])),
    approveAll() {
      host.answer = (opened) => host.approve(opened)
      return Promise.resolve()
    },
    stop: () => host.stop(),
  }
}

/** The daemon's own endpoint as an installed host has it, with all of its limits; only the chain is a twin. */
export async function realHost(stand: Stand): Promise<CrowdHost> {
  const honest = await createHonestHost(stand, {
    mode: 'installed',
    vm: { ipv4: '127.0.0.1', sshPort: null },
    patient: true,
  })
  const { signIn } = honest
  const { requests } = signIn
  const opened: { code: string; source: string }[] = []
  const asked = new Set<string>()
  const { create, settled } = requests
  requests.create = (wanted) => {
    const request = create(wanted)
    opened.push(request)
    return request
  }
  requests.settled = (request, ...how) => {
    asked.add(request.requestId)
    return settled(request, ...how)
  }
  await honest.reset()
  return {
    ...honest.files,
    opened,
    asked: () => asked,
    async approveAll() {
      for (const { code, source } of opened) {
        const request = signIn.open(code)
        if (request.state.kind !== 'waiting') continue
        const signature = await holder.signMessage(signIn.textOf(request, holder.address))
        await signIn.approve(code, { address: holder.address, signature }, { address: source, cookieHash: null })
      }
    },
    stop: () => honest.stop(),
  }
}
