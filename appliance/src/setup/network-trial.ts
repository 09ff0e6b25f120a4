import { z } from 'zod'
import type { Clock } from '../clock/clock.ts'
import { uplinkAnswer, type UplinkAnswer } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import type { HostPort } from '../host/port.ts'
import { cardsOfHost, type Card } from '../network/cards.ts'
import type { SettingRepository } from '../store/settings.ts'

/** How long a change is tried: long enough to open another address and type the code that the screen shows. */
export const trialSeconds = 180
const key = 'setup network trial'
const kept = z.strictObject({ trial: z.uuid(), until: z.number().int(), uplink: uplinkAnswer })

/** A change of the machine's own network that nobody has confirmed yet. */
export interface NetworkTrial {
  trial: string
  /** Taken back then, Unix seconds of this host. */
  until: number
  uplink: UplinkAnswer
}

/** Network changes that are tried first and kept only if somebody comes from the new address in time (W13). */
export interface NetworkTrials {
  cards(): Promise<Card[]>
  present(): Promise<NetworkTrial | null>
  /** Throws `host-refused`, `host-helper-down`, `bad-input`. */
  begin(uplink: UplinkAnswer): Promise<NetworkTrial>
  /** @param reachedAt the name that the confirming request was sent to. Throws `not-in-this-state`, `host-refused`. */
  confirm(reachedAt: string): Promise<UplinkAnswer>
}

/** True if the card has this address and way out now; with DHCP, if it has any. Pure. */
export function isInUse(uplink: UplinkAnswer, cards: readonly Card[]): boolean {
  const card = cards.find((one) => one.mac === uplink.mac)
  if (card === undefined) return false
  const { ipv4 } = uplink
  if (ipv4 === 'dhcp') return card.gateway !== null
  return card.addresses.includes(`${ipv4.address}/${ipv4.prefixLength}`) && card.gateway === ipv4.gateway
}

export function createNetworkTrials(ports: {
  host: Pick<HostPort, 'tryNetwork' | 'confirmNetwork'>
  settings: SettingRepository
  clock: Clock
  cards?: () => Promise<Card[]>
}): NetworkTrials {
  const { host, settings, clock } = ports
  const cards = ports.cards ?? cardsOfHost

  async function present(): Promise<NetworkTrial | null> {
    const found = await settings.get(key, kept)
    if (found === undefined || clock.now() >= found.until) return null
    // a reboot ends it sooner, and the helper does not tell
    return isInUse(found.uplink, await cards()) ? found : null
  }

  return {
    cards,
    present,
    async begin(uplink) {
      // what the helper answers is kept before anybody is told: whoever confirms may have to outlive this process
      const { trial, until } = await host.tryNetwork({ uplink, seconds: trialSeconds })
      const begun = { trial, until, uplink }
      await settings.put(key, begun)
      return begun
    },
    async confirm(reachedAt) {
      const trial = await present()
      if (trial === null) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'No change of the network is being tried; one that nobody confirmed was taken back.',
          hint: 'Look at the addresses as they are now, then try again.',
        })
      }
      const name = reachedAt
        .toLowerCase()
        .replace(/:[0-9]{1,5}$/, '')
        .replaceAll(/[[\]]/g, '')
      const { ipv4, mac } = trial.uplink
      const card = (await cards()).find((one) => one.mac === mac)
      const wanted = ipv4 === 'dhcp' ? (card?.addresses ?? []).map((one) => one.split('/')[0] ?? '') : [ipv4.address]
      if (!wanted.includes(name)) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: `This came to ${name}; the change is confirmed from ${wanted.join(' or ') || 'the new address'}.`,
          hint: `Open https://${wanted[0] ?? 'the new address'}/setup and confirm there.`,
        })
      }
      await host.confirmNetwork({ trial: trial.trial })
      await settings.remove(key)
      return trial.uplink
    },
  }
}
