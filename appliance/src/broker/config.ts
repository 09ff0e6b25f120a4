import { readFile } from 'node:fs/promises'
import { getAddress, isAddress } from 'ethers'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseEndpoint } from 'wireguard-ts/address'
import { WireGuardError } from 'wireguard-ts/errors'
import { AppError, type FieldError } from '../errors/app-error.ts'
import { parsePool, type Pool } from './leases/pool.ts'
import { defaultTerms } from './leases/terms.ts'
import { parseZone } from './names/label.ts'

const port = z.int().min(1).max(65_535)
const day = 86_400
const seconds = (days: number, most: number) =>
  z
    .int()
    .min(3600)
    .max(most * day)
    .default(days * day)
const loopback = z
  .string()
  .regex(/^(127\.0\.0\.1|\[::1\]):\d{1,5}$/, 'not a loopback address with a port, such as 127.0.0.1:8460')
const name = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/, 'not the name of an interface')
const address = z
  .string()
  .refine((text) => isAddress(text) && getAddress(text) === text, 'not an address with its checksum (EIP-55)')
const folder = z.string().regex(/^\/[\w./-]+$/, 'not an absolute path')

/** `/etc/freehold-broker/broker.yaml`. Unknown fields are refused. */
export const brokerConfigSchema = z.strictObject({
  region: z.string().regex(/^[a-z0-9-]{1,32}$/, 'not 1 to 32 of a-z, 0-9 and dash'),
  network: z.strictObject({
    mode: z.enum(['routed', 'on-link']),
    pool: z.string(),
    uplink: name,
    interface: name.default('wgb'),
    /** What hosts dial: `host:port`, `[ipv6]:port` or `name:port`. */
    endpoint: z.string(),
    mtu: z.int().min(1280).max(1420).default(1420),
    hostToHost: z.boolean().default(false),
    openPorts: z.strictObject({ tcp: z.array(port).default([22, 53, 80, 443]), udp: z.array(port).default([53]) }).prefault({}),
  }),
  chain: z.strictObject({
    chainId: z.int().positive(),
    rpcUrls: z
      .array(z.url({ protocol: /^https?$/ }))
      .min(1)
      .max(5),
    registry: address,
    brokerId: z.int().nonnegative(),
    confirmations: z.int().min(1).max(1000).default(5),
  }),
  terms: z
    .strictObject({
      termSeconds: seconds(30, 365),
      graceSeconds: seconds(7, 365),
      quarantineSeconds: z
        .int()
        .min(30 * day)
        .max(3650 * day)
        .default(defaultTerms.quarantineSeconds),
      firstHandshakeSeconds: seconds(7, 365),
      aheadSeconds: seconds(366, 3650),
    })
    .prefault({}),
  names: z
    .strictObject({
      zone: z.string(),
      nameServer: z.string(),
      nameServerAddresses: z.array(z.union([z.ipv4(), z.ipv6()])).max(8),
      hostmaster: z.string().regex(/^[^\s@"\\]{1,64}@[^\s@"\\]{1,180}$/, 'not a mail address'),
      listen: z.array(z.string().regex(/^[0-9a-fA-F.:]+@\d{1,5}$/)).default(['0.0.0.0@53', '::@53']),
    })
    .optional(),
  http: z.strictObject({ listen: loopback.default('127.0.0.1:8460') }).prefault({}),
  /** The page of the broker's operator, behind a login. */
  page: z.strictObject({ listen: loopback.default('127.0.0.1:8461') }).prefault({}),
  stateFolder: folder.default('/var/lib/freehold-broker'),
  secretsFolder: folder.default('/etc/freehold-broker/secrets'),
  runFolder: folder.default('/run/freehold-broker'),
  /** Pools of documentation are for stands; nobody routes them. */
  allowDocumentation: z.boolean().default(false),
})

export type BrokerConfig = z.infer<typeof brokerConfigSchema> & { pool: Pool }

/** Parses the text of a file. Throws `config-invalid` with line and reason of each mistake. */
export function parseBrokerConfig(text: string, file: string): BrokerConfig {
  const counter = new LineCounter()
  const doc = parseDocument(text, { lineCounter: counter })
  const invalid = (fields: FieldError[]): AppError => {
    const [first] = fields
    return new AppError({
      code: 'config-invalid',
      detail:
        `${file}${first?.line === undefined ? '' : `, line ${first.line}`}: ${first?.pointer ?? ''} ${first?.detail ?? ''}`.trim(),
      fields,
    })
  }
  if (doc.errors.length > 0) {
    throw invalid(doc.errors.map((e) => ({ pointer: '', line: counter.linePos(e.pos[0]).line, detail: e.message })))
  }
  const at = (pointer: string, detail: string): FieldError => {
    const path = pointer.split('/').slice(1)
    for (let depth = path.length; depth > 0; depth -= 1) {
      const node = doc.getIn(
        path.slice(0, depth).map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
        true,
      ) as { range?: [number, number, number] } | undefined
      if (node?.range) return { pointer, detail, line: counter.linePos(node.range[0]).line }
    }
    return { pointer, detail }
  }
  const parsed = brokerConfigSchema.safeParse(doc.toJS() ?? {})
  if (!parsed.success) {
    throw invalid(parsed.error.issues.map((issue) => at(issue.path.map((part) => `/${String(part)}`).join(''), issue.message)))
  }
  const config = parsed.data
  const wrong: FieldError[] = []
  const checked = <T>(pointer: string, work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof AppError) && !(error instanceof WireGuardError)) throw error
      wrong.push(at(pointer, `${error instanceof AppError ? error.detail : error.message}. ${error.hint}`))
      return undefined
    }
  }
  const pool = checked('/network/pool', () => parsePool(config.network.pool, config.network.mode, config.allowDocumentation))
  checked('/network/endpoint', () => parseEndpoint(config.network.endpoint))
  const { names } = config
  if (names !== undefined) {
    names.zone = checked('/names/zone', () => parseZone(names.zone)) ?? names.zone
    names.nameServer = checked('/names/nameServer', () => parseZone(names.nameServer, '/names/nameServer')) ?? names.nameServer
  }
  if (wrong.length > 0 || pool === undefined) throw invalid(wrong)
  return { ...config, pool }
}

/** Throws `config-unreadable` or `config-invalid`. */
export async function loadBrokerConfig(file: string): Promise<BrokerConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError({
      code: 'config-unreadable',
      detail: `${file} could not be read.`,
      hint: 'Make it with freehold-broker init.',
      cause,
    })
  }
  return parseBrokerConfig(text, file)
}
