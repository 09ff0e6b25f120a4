import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { networkSchema, publicAddressesSchema } from '../../api/schemas/public-ipv6.ts'
import type { CliContext } from '../context.ts'
import { printJson, printLine, printTable, say, whenText } from '../output.ts'

/** Verbs of public IPv6: network (on the host itself), addresses and name (of the wallet that signs). */
export function registerNetworkCommands(program: Command, make: (command: Command) => CliContext): void {
  program
    .command('network')
    .description('public IPv6 of this host: brokers, prefixes and what stands in their way (on the host itself)')
    .action(async (_, command: Command) => {
      const context = make(command)
      const view = await context.admin.call(networkSchema, 'GET', '/v1/network')
      if (context.options.json) return printJson(view)
      printLine(view.mode === 'broker' ? 'prefixes from brokers' : view.mode === 'manual' ? `own prefix ${view.prefix}` : 'none')
      if (view.tunnels.length > 0) {
        const { now } = await context.status()
        printTable([
          ['BROKER', 'PREFIX', 'STATE', 'LATENCY', 'UNTIL', 'NAMES BELOW'],
          ...view.tunnels.map((t) => [
            t.broker,
            t.prefix,
            t.state,
            t.latencyMs === null ? '-' : `${Math.round(t.latencyMs)} ms`,
            whenText(t.until, now),
            t.zone === '' ? '-' : t.zone,
          ]),
        ])
      }
      for (const { kind, subject, detail } of view.troubles) say(`${kind}: ${subject}: ${detail}`)
    })

  program
    .command('addresses')
    .argument('<vmId>')
    .description('where a VM is reached from the Internet by IPv6')
    .action(async (vmId: string, _, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const view = await context.client.call(publicAddressesSchema, 'GET', `/v1/vms/${encodeURIComponent(vmId)}/addresses`)
      if (context.options.json) return printJson(view)
      if (view.addresses.length === 0) return say('No broker gives this VM a public address now.')
      printTable([
        ['ADDRESS', 'NAME', ''],
        ...view.addresses.map((a) => [a.address, a.name ?? '-', a.preferred ? 'it speaks with this one' : '']),
      ])
    })

  program
    .command('name')
    .argument('<vmId>')
    .argument('<label>')
    .description('name a VM in the zone of the host’s broker')
    .action(async (vmId: string, label: string, _, command: Command) => {
      const context = make(command)
      await context.signedIn()
      const path = `/v1/vms/${encodeURIComponent(vmId)}/name`
      const view = await context.client.call(publicAddressesSchema, 'POST', path, {
        body: { label },
        headers: { 'idempotency-key': randomBytes(16).toString('hex') },
      })
      if (context.options.json) return printJson(view)
      printTable(view.addresses.map((a) => [a.name ?? '-', a.address]))
    })
}
