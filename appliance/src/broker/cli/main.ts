import { lookup } from 'node:dns/promises'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { pino } from 'pino'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { loadBrokerConfig, type BrokerConfig } from '../config.ts'
import { createLinuxDataPath } from '../datapath/linux-data-path.ts'
import { planStart, serveBroker } from '../serve.ts'
import type { Change } from '../types.ts'
import { askBroker } from './client.ts'
import { initBroker, type InitAnswers } from './init.ts'
import { line, table } from './output.ts'

const program = new Command('freehold-broker')
  .description('Gives hosts behind any line a public IPv6 prefix, and never cuts anyone off.')
  .option('-c, --config <file>', 'configuration', '/etc/freehold-broker/broker.yaml')
  .option('--json', 'print results as JSON')
  .showHelpAfterError()
  .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 bad input, 3 the broker does not run.\n')

const config = (): Promise<BrokerConfig> => loadBrokerConfig(program.opts<{ config: string }>().config)
const asJson = (): boolean => program.opts<{ json?: boolean }>().json === true

async function ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Record<string, unknown>> {
  return await askBroker(join((await config()).runFolder, 'admin.sock'), method, path, body)
}

/** The answer as JSON, or as `show` has it. */
function print(answer: Record<string, unknown>, show: () => void): void {
  if (asJson()) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  else show()
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? '-'))

function printFields(answer: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(answer)) line(`${key}: ${shown(value)}`)
}

function printChanges(changes: readonly Change[]): void {
  if (changes.length === 0) line('Nothing: the network is as the leases say.')
  for (const { part, action, text } of changes) for (const one of text.split('\n')) line(`${part} ${action}: ${one}`)
}

const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('not a whole number')
  return value
}
const wei = (text: string): bigint => {
  if (!/^\d{1,38}$/.test(text)) throw new InvalidArgumentError('not a whole number of wei')
  return BigInt(text)
}
const moment = (text: string): number => {
  const value = /^\d{9,10}$/.test(text) ? Number(text) : Math.floor(Date.parse(text) / 1000)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('not a time: write 2026-11-21T12:00:00Z or unix seconds')
  return value
}

program
  .command('init')
  .description('write configuration and keys, and say what is left to do')
  .requiredOption('--pool <prefix>', 'the IPv6 prefix that your provider routes to this machine')
  .requiredOption('--endpoint <host:port>', 'what hosts dial: the public address or name of this machine, and a UDP port')
  .requiredOption('--uplink <interface>', 'the interface towards the Internet')
  .requiredOption('--region <name>', 'where this machine stands, such as eu-north-1')
  .requiredOption('--rpc <url>', 'a node of the chain')
  .requiredOption('--chain-id <number>', 'id of the chain', whole)
  .requiredOption('--registry <address>', 'the BrokerRegistry on it')
  .option('--broker-id <number>', 'id of this broker in the registry, once it is registered', whole, 0)
  .option('--on-link', 'the prefix lies on the uplink and is not routed', false)
  .option('--zone <domain>', 'serve names of VMs under this domain')
  .option('--hostmaster <mail>', 'who answers for the zone')
  .option('--url <url>', 'base URL of the HTTP path')
  // commander writes defaults into its help as JSON, which knows no bigint
  .addOption(new Option('--fee <wei>', 'price of one term; 0: listed installations only').argParser(wei).default(0n, '0'))
  .action(async (options: Omit<InitAnswers, 'rpcUrl' | 'feeWei' | 'file'> & { rpc: string; fee: bigint }) => {
    const { rpc, fee, ...rest } = options
    const result = await initBroker(
      { ...rest, rpcUrl: rpc, feeWei: fee, file: program.opts<{ config: string }>().config },
      async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
    )
    print({ ...result }, () => {
      line(`Wrote ${result.file}. WireGuard key: ${result.wireguardKey}`)
      result.todo.forEach((one, i) => line(`${i + 1}. ${one}`))
      line(`Registration: to ${result.register.to}, data ${result.register.data}`)
    })
  })

program
  .command('serve')
  .description('run the broker')
  .option('--dry-run', 'print what the start would change in the network and end')
  .action(async ({ dryRun }: { dryRun?: boolean }) => {
    if (dryRun === true) {
      const changes = await planStart(await config(), createLinuxDataPath)
      print({ changes }, () => printChanges(changes))
      return
    }
    const log = pino({ redact: ['*.presharedKey', '*.privateKey'] })
    const running = await serveBroker({ config: await config(), makeDataPath: createLinuxDataPath, log })
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    await promise
    await running.close()
  })

program
  .command('status')
  .description('what runs and how much is left')
  .action(async () => {
    const answer = await ask('GET', '/v1/status')
    print(answer, () => printFields(answer))
  })

program
  .command('leases')
  .description('who holds what')
  .option('--all', 'ended ones too')
  .action(async ({ all }: { all?: boolean }) => {
    const answer = await ask('GET', `/v1/leases?all=${all === true}`)
    const fields = ['id', 'state', 'prefix', 'identity', 'until', 'lastHandshakeAt']
    print(answer, () =>
      table([
        fields,
        ...(answer['leases'] as Record<string, unknown>[]).map((lease) => fields.map((field) => shown(lease[field] ?? '-'))),
      ]),
    )
  })

for (const [verb, what] of [
  ['suspend', 'stop the traffic of a lease at once; undone by resume'],
  ['release', 'end a lease for good: its prefix goes into quarantine'],
] as const) {
  program
    .command(`${verb} <lease>`)
    .description(what)
    .requiredOption('--why <text>', 'goes into the ledger; with suspend its host reads it')
    .action(async (lease: string, { why }: { why: string }) => {
      const answer = await ask('POST', `/v1/leases/${encodeURIComponent(lease)}/${verb}`, { why })
      print(answer, () => printFields(answer))
    })
}

program
  .command('ping <lease>')
  .description('whether its host answers through the tunnel')
  .action(async (lease: string) => {
    const answer = await ask('POST', `/v1/leases/${encodeURIComponent(lease)}/ping`, {})
    print(answer, () => printFields(answer))
  })

program
  .command('resume <lease>')
  .description('lift a suspension')
  .action(async (lease: string) => {
    const answer = await ask('POST', `/v1/leases/${encodeURIComponent(lease)}/resume`, {})
    print(answer, () => printFields(answer))
  })

program
  .command('policy <lease>')
  .description('closed ports and rate cap of one lease')
  .option('--close-tcp <ports>', 'closed ports towards the Internet, separated by commas; none: empty')
  .option('--close-udp <ports>', 'as --close-tcp')
  .option('--rate-cap <bytes>', 'bytes a second in each direction; 0: no cap', whole)
  .action(async (lease: string, { closeTcp, closeUdp, rateCap }: { closeTcp?: string; closeUdp?: string; rateCap?: number }) => {
    const path = `/v1/leases/${encodeURIComponent(lease)}`
    const now = (await ask('GET', path))['closedPorts'] as { tcp: number[]; udp: number[] }
    const list = (text: string | undefined, old: number[]): number[] =>
      text === undefined ? old : text.split(',').filter(Boolean).map(whole)
    const answer = await ask('POST', `${path}/policy`, {
      closed: { tcp: list(closeTcp, now.tcp), udp: list(closeUdp, now.udp) },
      ...(rateCap === undefined ? {} : { rateCapBytesPerSecond: rateCap === 0 ? null : rateCap }),
    })
    print(answer, () => printFields(answer))
  })

program
  .command('admit <installation>')
  .description('serve an installation (12 hex digits) over HTTP without fee')
  .option('--note <text>', 'for yourself', '')
  .action(async (identity: string, { note }: { note: string }) => {
    const answer = await ask('POST', '/v1/admitted', { identity, note })
    print(answer, () => printFields(answer))
  })

program
  .command('dismiss <installation>')
  .description('take an installation off that list; its lease stands to its end')
  .action(async (identity: string) => {
    const answer = await ask('DELETE', `/v1/admitted/${encodeURIComponent(identity)}`)
    print(answer, () => printFields(answer))
  })

program
  .command('export')
  .description('who held an address at a time (for an abuse report), or the whole ledger as lines of JSON')
  .option('--address <ipv6>', 'one address')
  .option('--at <time>', '2026-11-21T12:00:00Z or unix seconds', moment)
  .action(async ({ address, at }: { address?: string; at?: number }) => {
    if ((address === undefined) !== (at === undefined)) {
      throw new AppError({
        code: 'bad-input',
        detail: 'An address is held at a time: name both.',
        hint: 'Add --address and --at, or neither for the whole ledger.',
      })
    }
    if (address !== undefined) {
      process.stdout.write(
        `${JSON.stringify(await ask('GET', `/v1/held?address=${encodeURIComponent(address)}&at=${at}`), null, 2)}\n`,
      )
      return
    }
    for (let after = 0; ;) {
      const { lines } = (await ask('GET', `/v1/ledger?after=${after}`)) as { lines: { position: number }[] }
      for (const one of lines) process.stdout.write(`${JSON.stringify(one)}\n`)
      const last = lines.at(-1)
      if (last === undefined) return
      after = last.position
    }
  })

program
  .command('plan')
  .description('what would be changed in the network, nothing touched: nft, ip and UAPI')
  .action(async () => {
    const answer = await ask('GET', '/v1/plan')
    print(answer, () => printChanges(answer['changes'] as Change[]))
  })

try {
  await program.parseAsync()
} catch (error) {
  const known = findAppError(error)
  if (known === undefined) process.stderr.write(`freehold-broker: ${error instanceof Error ? error.message : String(error)}\n`)
  else if (asJson())
    process.stdout.write(
      `${JSON.stringify({ code: known.code, title: known.title, detail: known.detail, hint: known.hint, errors: known.fields })}\n`,
    )
  else {
    process.stderr.write(`${known.title}: ${known.detail}\n`)
    for (const field of known.fields)
      process.stderr.write(`  ${field.pointer}${field.line === undefined ? '' : ` (line ${field.line})`}: ${field.detail}\n`)
    process.stderr.write(`${known.hint}\n`)
  }
  process.exitCode =
    known === undefined ? 1 : known.detail.startsWith('The broker does not answer') ? 3 : known.status < 500 ? 2 : 1
}
