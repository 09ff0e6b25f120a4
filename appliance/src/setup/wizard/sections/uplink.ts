import { z } from 'zod'
import { configSchema } from '../../../config/schema.ts'
import { AppError } from '../../../errors/app-error.ts'
import { cardsOfHost } from '../../../network/cards.ts'
import { isInUse } from '../../network-trial.ts'
import { overlaps, parseRange } from '../ranges.ts'
import { defineSection } from '../section.ts'

const wrong = (detail: string, hint: string): AppError => new AppError({ code: 'config-invalid', detail, hint })

/** How the machine itself is reached. A change is tried first, and kept only if somebody confirms it from there (W13). */
export const uplink = defineSection({
  name: 'uplink',
  schema: z.strictObject({ uplink: configSchema.shape.uplink }),
  fields: ['uplink'],
  asked: ({ mode }) => mode === 'installed',
  follows: [],
  checks: [
    {
      name: 'uplink-card',
      pointer: '/uplink/mac',
      applies: ({ uplink: answer }) => answer !== null,
      async run({ uplink: answer }) {
        const card = (await cardsOfHost()).find((one) => one.mac === answer?.mac)
        if (card === undefined)
          throw wrong(`No network card has the MAC ${answer?.mac}.`, 'Choose one of the cards that are listed.')
        return card.up ? { values: { device: card.device } } : { warning: `Nothing is plugged into ${card.device}.` }
      },
    },
    {
      name: 'uplink-consistent',
      pointer: '/uplink/ipv4',
      applies: ({ uplink: answer }) => answer !== null && answer.ipv4 !== 'dhcp',
      async run({ uplink: answer }) {
        if (answer === null || answer.ipv4 === 'dhcp') return {}
        const { address, prefixLength, gateway } = answer.ipv4
        const net = parseRange(`${address}/${prefixLength}`)
        const way = parseRange(`${gateway}/32`)
        if (address === gateway) throw wrong(`${address} is the way out itself.`, 'Give this machine another address.')
        if (net === undefined || way === undefined || !overlaps(net, way)) {
          throw wrong(`${gateway} is not in the net of ${address}/${prefixLength}.`, 'The way out lies in the same net.')
        }
        const others = (await cardsOfHost()).filter((one) => one.mac !== answer.mac)
        const clash = others.flatMap((one) => one.addresses).find((one) => one.split('/')[0] === address)
        if (clash !== undefined) throw wrong(`${address} is in use on another card of this machine.`, 'Choose another address.')
        return {}
      },
    },
    {
      name: 'uplink-in-use',
      pointer: '/uplink',
      applies: ({ uplink: answer }) => answer !== null,
      async run({ uplink: answer }) {
        const inUse = answer !== null && isInUse(answer, await cardsOfHost())
        return inUse ? {} : { warning: 'This is not in use yet. Try it: it is taken back by itself unless you confirm it.' }
      },
    },
  ],
})
