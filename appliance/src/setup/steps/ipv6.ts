import { parseCidr, specialRangeOf } from 'wireguard-ts/address'
import { AppError } from '../../errors/app-error.ts'
import type { BrokerClient } from '../../network/broker/client.ts'
import { ipv6Modes, type Ipv6Mode } from '../../network/broker/modes.ts'
import { systemClock } from '../../clock/clock.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/** What the step works on. */
export interface Ipv6Subject {
  mode: Ipv6Mode
  /** Manual mode. */
  prefix?: { prefix: string; prefixLength: number }
  /** Broker mode: the client, running. */
  client?: BrokerClient
  /** Whether an address of the prefix is answered to from the Internet; undefined: cannot be asked. */
  reachable(prefix: string): Promise<boolean | undefined>
  /** Looks once more; absent: the client looks by itself. */
  look?(): Promise<void>
  /** How long a broker may take: the depth of the chain, then one handshake. Seconds. */
  withinSeconds: number
  wait(ms: number, signal: AbortSignal): Promise<void>
  now(): number
}

/**
 * Public IPv6 for VMs, checked live: with a broker the step is done when the broker itself has answered through the tunnel; a prefix of
 * one's own when an address of it is answered to. Throws AppError `broker-offer-refused`, `bad-input`, `timed-out`.
 */
export const ipv6: Step<Ipv6Subject> = {
  name: 'ipv6',
  estimateSeconds: 30,
  check: async ({ mode, client }) => mode === 'none' || (mode === 'broker' && isUp(client)),
  async run(subject, io) {
    const { mode, prefix, client } = subject
    if (mode === 'none') return
    if (mode === 'onion') throw new AppError({ code: 'bad-input', detail: ipv6Modes.find((m) => m.mode === mode)?.needs ?? '' })
    if (mode === 'manual') {
      const text = prefix === undefined ? '' : `${prefix.prefix}/${prefix.prefixLength}`
      checkPrefix(text)
      io.log(
        (await subject.reachable(text)) === true
          ? `${text} is reached from the Internet.`
          : `${text} was not tried from outside.`,
      )
      return
    }
    if (client === undefined) throw new AppError({ code: 'bad-input', detail: 'Broker mode needs a broker to ask.' })
    const end = subject.now() + subject.withinSeconds
    while (!isUp(client)) {
      io.signal.throwIfAborted()
      await subject.look?.()
      if (isUp(client)) break
      const refused = client.troubles().find((trouble) => trouble.kind === 'broker-refused')
      if (refused !== undefined && client.tunnels().length === 0) {
        throw new AppError({ code: 'broker-offer-refused', detail: `${refused.subject}: ${refused.detail}` })
      }
      if (subject.now() >= end) {
        throw new AppError({
          code: 'timed-out',
          detail: `No broker answered through its tunnel within ${subject.withinSeconds} seconds.`,
          hint: 'Let UDP out of this network, choose another broker, or set up without public addresses for now.',
        })
      }
      io.progress('waiting for the first answer through the tunnel')
      await subject.wait(500, io.signal)
    }
    for (const { tunnel, state } of client.tunnels()) {
      io.log(`${tunnel.grant.broker.id}: ${tunnel.grant.prefix} ${state}, ${Math.round(tunnel.latencyMs ?? 0)} ms`)
    }
  },
}

function isUp(client: BrokerClient | undefined): boolean {
  return client?.tunnels().some(({ state }) => state === 'up') ?? false
}

/** Throws `bad-input` for a prefix that is no place on the Internet, with its name. */
export function checkPrefix(text: string): void {
  let special: string | undefined
  try {
    special = specialRangeOf(parseCidr(text))
  } catch (cause) {
    throw wrong(`${JSON.stringify(text.slice(0, 60))} is no prefix.`, cause)
  }
  if (!text.includes(':')) throw wrong(`${text} is IPv4.`)
  if (special !== undefined) throw wrong(`${text} lies in a range that is nobody’s on the Internet (${special}).`)
}

function wrong(detail: string, cause?: unknown): AppError {
  return new AppError({
    code: 'bad-input',
    detail,
    hint: 'Give the prefix that your provider named.',
    cause,
    fields: [{ pointer: '/network/ipv6/prefix', detail }],
  })
}

/** The step of setup: the product runs already, so it is its own client that is watched. */
export const ipv6Step: Step<SetupContext> = {
  name: ipv6.name,
  estimateSeconds: ipv6.estimateSeconds,
  // VMs run without; what keeps it from working stands on the operator's page of issues
  skippable: true,
  check: (context) => ipv6.check(subjectOf(context)),
  run: (context, io) => ipv6.run(subjectOf(context), io),
}

/** A request on chain may take as long as the chain needs, and one over HTTP a handshake. */
const withinSeconds = { http: 120, chain: 1200 } as const

function subjectOf({ answers: { network }, publicIpv6 }: SetupContext): Ipv6Subject {
  const client = publicIpv6?.()
  return {
    mode: network.broker !== null ? 'broker' : network.ipv6 !== null ? 'manual' : 'none',
    ...(network.ipv6 !== null && { prefix: network.ipv6 }),
    ...(client !== undefined && { client }),
    // nobody outside is asked: whether a prefix of one's own is reached shows when somebody calls
    reachable: async () => undefined,
    withinSeconds: withinSeconds[network.broker?.path ?? 'http'],
    wait: (ms, signal) => systemClock.wait(ms, signal),
    now: () => systemClock.now(),
  }
}
